"""What the engine asks of a process that nobody can look into."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.dispatch import Away
from strata_kernel.ports import Modules, Patch, Show


class AbsentModules:
    """The modules of a process that cannot be asked."""

    def are_users(self, module: str) -> bool:
        """Tell that none is known to be the user's own."""
        return False

    def users(self) -> Set[str]:
        """Return none."""
        return frozenset()

    def load(self, module: str) -> None:
        """Leave it to the cell."""

    def note(self) -> None:
        """Note nothing."""

    def changed(self) -> bool:
        """Tell that nothing changes between two cells of which each has a process of its own."""
        return False

    def unload(self) -> None:
        """Leave it to the end of the process."""


class AbsentProcess:
    """The part of the `Host` port to which the answer always is that nothing is known or can be done."""

    modules: Modules = AbsentModules()
    given: frozenset[str] = frozenset()

    def replay(self, outputs: list[dict[str, Any]]) -> None:
        """Show nothing again: no cell of several parts comes here."""

    async def relay(self, cell: Cell, audience: str, run: Callable[[Show], Awaitable[Away]]) -> Away:
        """Run in yet another place: never asked for."""
        return await run(lambda kind, content: None)

    def quietly(self) -> AbstractContextManager[None]:
        """Change nothing: no value is made here."""
        return nullcontext()

    def observe(self) -> None:
        """See nothing."""

    def installed(self) -> dict[str, Any]:
        """Return that nothing is known of it."""
        return {}

    def patch(self, module: str, path: str) -> Patch | None:
        """Return that nothing is known of it."""
        return None

    def unpatch(self, patch: Patch) -> None:
        """Put back nothing."""
