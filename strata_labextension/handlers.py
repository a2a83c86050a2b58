"""The routes below `strata/`: they check who asks for what, and leave the work to threads.

Everything that the work needs is imported with the first request, because the server's start waits for this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, authenticated

from strata_kernel.errors import StoreError
from strata_labextension.places import notebook_file
from strata_labextension.refusal import Refusal

if TYPE_CHECKING:
    from strata_labextension.notebooks import Request
    from strata_labextension.options import Strata

#: Rows of a table in one answer, when the client does not say, and at most.
ROWS, MOST_ROWS = 100, 1000


class StrataHandler(APIHandler):
    """What all routes share: the settings, arguments, threads, and errors as `{message, reason}`."""

    auth_resource = "strata"

    def initialize(self, strata: Strata) -> None:
        """Take the settings that the routes were made with."""
        self.strata = strata

    async def work(self, pool: Executor, function: Callable[..., Any], *arguments: Any) -> None:
        """Answer with what a blocking function returns."""
        import msgspec

        try:
            found = await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)
        except StoreError as error:
            raise Refusal(503, "store_unusable", str(error)) from error
        self.finish(msgspec.json.encode(found))

    async def notebook(self, *, cell: bool = False) -> Request:
        """Return the notebook that `path` names, and `cell`, which `cell=True` demands."""
        from strata_labextension.notebooks import Request

        chosen = self.get_query_argument("cell", None)
        if cell and not chosen:
            raise Refusal(400, "argument_missing", "the argument `cell` is missing")
        path = self.get_query_argument("path", "")
        return Request(path, await self._file(path), chosen or None)

    async def folder(self) -> Path:
        """Return the folder whose settings hold: that of `path`, else the server's root."""
        if path := self.get_query_argument("path", ""):
            return (await self._file(path)).parent
        return Path(getattr(self.contents_manager, "root_dir", "") or ".").absolute()

    async def _file(self, path: str) -> Path:
        if not path:
            raise Refusal(400, "argument_missing", "the argument `path` is missing")
        # To see a notebook through us takes the right to see it.
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "read", "contents")):
            raise Refusal(403, "forbidden", "you may not read the contents of this server")
        return await notebook_file(self.contents_manager, path)

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """Return a whole number among the arguments, never more than `most`."""
        text = self.get_query_argument(name, str(default))
        # Python reads other digits than these, and would take minutes over a million of them.
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise Refusal(400, "argument_malformed", f"`{name}` must be a whole number, not {text[:40]!r}")
        return int(text) if most is None else min(int(text), most)

    def write_error(self, status_code: int, **failure: Any) -> None:
        """Answer a refusal or a bug; the log says more of the latter."""
        error = failure.get("exc_info", (None, None))[1]
        if isinstance(error, Refusal):
            reason, message = error.code, error.text
        else:
            reason, message = _phrase(status_code).lower().replace(" ", "_"), _phrase(status_code)
            if isinstance(error, HTTPError):
                message = str(error.log_message or message)
        self.set_header("Content-Type", "application/json")
        self.finish({"message": message, "reason": reason})


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


class StoreHandler(StrataHandler):
    """`strata/store`: where the store is and what it holds."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Count."""
        from strata_labextension.storage import statistics

        await self.work(self.strata.upkeep, statistics, await self.folder())


class CollectHandler(StrataHandler):
    """`strata/store/gc`: make room."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Collect down to the limit that the body or the settings say."""
        from strata_labextension.storage import make_room

        body = self.get_json_body() or {}
        limit = body.get("max_bytes") if isinstance(body, dict) else body
        if limit is not None and (type(limit) is not int or limit < 0):
            raise Refusal(400, "body_malformed", "`max_bytes` must be a whole number of bytes")
        await self.work(self.strata.upkeep, make_room, await self.folder(), limit)


class NotebookHandler(StrataHandler):
    """`strata/notebook`: how the cells of a notebook on disk stand."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Inspect."""
        from strata_labextension.notebooks import standing

        await self.work(self.strata.notebooks, standing, await self.notebook())


class CellHandler(StrataHandler):
    """`strata/cell`: why a cell stands as it does, and what it read and left."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Explain."""
        from strata_labextension.notebooks import details

        await self.work(self.strata.notebooks, details, await self.notebook(cell=True))


class ArtifactHandler(StrataHandler):
    """`strata/artifact`: one name or file that a cell left."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Show as much of it as can be shown without running code."""
        from strata_labextension.notebooks import preview

        name = self.get_query_argument("name", "", strip=False)
        if not name:
            raise Refusal(400, "argument_missing", "the argument `name` is missing")
        offset, limit = self.number("offset", 0), self.number("limit", ROWS, MOST_ROWS)
        await self.work(self.strata.notebooks, preview, await self.notebook(cell=True), name, offset, limit)


class VariantsHandler(StrataHandler):
    """`strata/variants`: the variants of a notebook side by side."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Compare."""
        from strata_labextension.notebooks import comparison

        await self.work(self.strata.notebooks, comparison, await self.notebook())


class EntriesHandler(StrataHandler):
    """`strata/entries`: the kept runs of a cell or a notebook."""

    @authenticated
    @authorized
    async def delete(self) -> None:
        """Clear them."""
        from strata_labextension.notebooks import clear

        await self.work(self.strata.notebooks, clear, await self.notebook())


class PinHandler(StrataHandler):
    """`strata/pin`: what collections leave alone."""

    @authenticated
    @authorized
    async def put(self) -> None:
        """Pin what stands for a cell or a notebook now."""
        from strata_labextension.notebooks import pin

        await self.work(self.strata.notebooks, pin, await self.notebook())

    @authenticated
    @authorized
    async def delete(self) -> None:
        """Take the pins of a cell or a notebook away."""
        from strata_labextension.notebooks import unpin

        await self.work(self.strata.notebooks, unpin, await self.notebook())


class DeclaredHandler(StrataHandler):
    """`strata/declared`: the workers, mounts and connections that the settings declare for a notebook."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """List them."""
        from strata_labextension.declared import declared

        await self.work(self.strata.notebooks, declared, await self.folder())


class DeclarationHandler(StrataHandler):
    """What these share: one member of a list in the settings file is written, or taken out."""

    table: ClassVar[str]
    record: ClassVar[str]

    @authenticated
    @authorized
    async def put(self) -> None:
        """Declare one, in the place of a former one if the body says so."""
        import msgspec

        from strata_labextension import answers
        from strata_labextension.declared import change

        folder, root = await self._settings()
        try:
            body = msgspec.json.decode(self.request.body, type=getattr(answers, self.record))
        except msgspec.MsgspecError as error:
            raise Refusal(400, "body_malformed", str(error)) from error
        await self.work(self.strata.notebooks, change, folder, root, self.table, body)

    @authenticated
    @authorized
    async def delete(self) -> None:
        """Withdraw one."""
        from strata_labextension.declared import remove

        folder, root = await self._settings()
        name = self.get_query_argument("name", "", strip=False)
        await self.work(self.strata.notebooks, remove, folder, root, self.table, name)

    async def _settings(self) -> tuple[Path, Path | None]:
        """Return the folder whose settings are to change, and the folder that the server shows."""
        # Settings name the programs and machines that cells reach: to change them takes the right to write files.
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "write", "contents")):
            raise Refusal(403, "forbidden", "you may not write the contents of this server")
        root = getattr(self.contents_manager, "root_dir", "")
        return await self.folder(), Path(root) if root else None


class WorkerHandler(DeclarationHandler):
    """`strata/worker`: one declared worker."""

    table, record = "workers", "WorkerDeclaration"

    @authenticated
    @authorized
    async def get(self) -> None:
        """Ask it how it is."""
        import msgspec

        from strata_labextension.declared import health

        found = await health(await self.folder(), self.get_query_argument("name", "", strip=False))
        self.finish(msgspec.json.encode(found))


class MountHandler(DeclarationHandler):
    """`strata/mount`: one declared mount."""

    table, record = "mounts", "MountDeclaration"


class ConnectionHandler(DeclarationHandler):
    """`strata/connection`: one declared connection; kernels open databases, this server never does."""

    table, record = "connections", "ConnectionDeclaration"


class DescriptionHandler(StrataHandler):
    """`strata/openapi.json`: these routes, for programs."""

    FILE: ClassVar[Path] = Path(__file__).parent / "openapi" / "openapi.json"

    @authenticated
    @authorized
    async def get(self) -> None:
        """Return the description."""
        self.finish(self.FILE.read_bytes())


class UnknownHandler(StrataHandler):
    """Anything else below `strata/`: the server's own answer would be a page."""

    async def prepare(self) -> None:
        """Refuse, whatever the method."""
        await super().prepare()
        if not self.current_user:
            raise Refusal(403, "forbidden", "log in first")
        raise Refusal(404, "not_found", "there is no such route")


ROUTES: dict[str, type[StrataHandler]] = {
    "strata/store": StoreHandler,
    "strata/store/gc": CollectHandler,
    "strata/notebook": NotebookHandler,
    "strata/cell": CellHandler,
    "strata/artifact": ArtifactHandler,
    "strata/variants": VariantsHandler,
    "strata/entries": EntriesHandler,
    "strata/pin": PinHandler,
    "strata/declared": DeclaredHandler,
    "strata/worker": WorkerHandler,
    "strata/mount": MountHandler,
    "strata/connection": ConnectionHandler,
    "strata/openapi.json": DescriptionHandler,
}


def routes(base_url: str, strata: Strata) -> list[tuple[str, type[StrataHandler], dict[str, Any]]]:
    """Return the routes as tornado takes them."""
    given = {"strata": strata}
    known = [(url_path_join(base_url, path.replace(".", r"\.")), kind, given) for path, kind in ROUTES.items()]
    return [*known, (url_path_join(base_url, "strata/.*"), UnknownHandler, given)]
