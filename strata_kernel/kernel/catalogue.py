"""Looks into declared databases for frontends: apart from the cells, and also while one of them runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from strata_kernel.errors import CellError
from strata_kernel.kernel.observe import active
from strata_kernel.protocol import Column, RequestSchema, Schema

if TYPE_CHECKING:
    from strata_kernel.executors.engine import Engine
    from strata_kernel.executors.sql import Databases
    from strata_kernel.kernel.bridge import Bridge

#: For how many seconds tables are offered to whoever types before they are looked at again.
KEPT = 20.0
#: How many seconds whoever types waits for tables that nobody has looked at yet.
PATIENCE = 0.5

Tables = dict[str, dict[str, str]]


class Catalogue:
    """What the declared connections reach; a frontend's questions may come in any thread."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        #: The tables by connection, and when they were looked at; and who looks at this moment.
        self._kept: dict[str, tuple[float, Tables]] = {}
        self._under_way: dict[str, threading.Thread] = {}

    def tables(self, connection: str) -> Tables:
        """Return the columns by table as somebody types a query, for the main thread; {} while that is not known."""
        looked, tables = self._kept.get(connection, (None, {}))
        if looked is not None and time.monotonic() - looked < KEPT:
            return tables
        thread = self._under_way.get(connection)
        if thread is None or not thread.is_alive():
            with active.exempt():
                try:
                    # A driver that is not loaded is loaded here, between two cells.
                    engine = self._bridge.parts.looking().engine(connection)
                except CellError:
                    return {}
            thread = threading.Thread(target=self._keep, args=(connection, engine), name="strata-tables", daemon=True)
            self._under_way[connection] = thread
            thread.start()
        thread.join(PATIENCE)
        return self._kept.get(connection, (None, tables))[1]

    def _keep(self, connection: str, engine: Engine) -> None:
        active.exempt_thread()
        try:
            self._kept[connection] = (time.monotonic(), engine.schema())
        except CellError:
            # Who wants to know why asks in the panel; whoever types is not made to wait again at the next key.
            self._kept[connection] = (time.monotonic(), {})

    def ask(self, wanted: RequestSchema, answer: Callable[[Schema], None]) -> None:
        """Look, and answer from another thread: a server may take its time."""

        def look() -> None:
            active.exempt_thread()
            answer(self._answer(wanted))

        def begin() -> None:
            threading.Thread(target=look, name="strata-catalogue", daemon=True).start()

        def load() -> None:
            # Some drivers change the process when they load: that is for the main thread, between two cells.
            with active.exempt(), contextlib.suppress(CellError):
                if not self._bridge.host.running:
                    self._bridge.parts.looking().engine(wanted.connection)
            begin()

        with contextlib.suppress(CellError):
            if not self._bridge.parts.looking().loaded(wanted.connection):
                self._bridge.kernel.io_loop.asyncio_loop.call_soon_threadsafe(load)
                return
        begin()

    def _answer(self, wanted: RequestSchema) -> Schema:
        shown = Schema(id=wanted.id, connection=wanted.connection, table=wanted.table)
        try:
            databases = self._bridge.parts.looking()
            if not databases.loaded(wanted.connection) and self._bridge.host.running:
                raise CellError(
                    "a cell is running, and this driver is loaded between cells: ask again when it has ended"
                )
            return self._found(databases, shown)
        except CellError as error:
            reason = str(error)
        except Exception as error:  # the comm's boundary, on its way out
            self._bridge.kernel.log.exception("strata comm: %s", error)
            reason = f"{type(error).__name__}: {error}"
        return msgspec.structs.replace(shown, reason=reason)

    def _found(self, databases: Databases, shown: Schema) -> Schema:
        engine = databases.engine(shown.connection)
        if shown.table is None:
            version = engine.version()
            return msgspec.structs.replace(shown, engine=version, tables=sorted(engine.schema(), key=str.casefold))
        columns = engine.schema().get(shown.table)
        if columns is None:
            raise CellError(f"there is no table {shown.table!r} any more")
        return msgspec.structs.replace(shown, columns=[Column(name=n, type=t) for n, t in columns.items()])
