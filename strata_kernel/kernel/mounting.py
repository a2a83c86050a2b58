"""Joins a process's mounts to the runs of its cells: what is bound, what goes back, and what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from strata_kernel.domain.manifest import Fact
from strata_kernel.domain.terms import Terms
from strata_kernel.errors import MountError
from strata_kernel.kernel.observe import active
from strata_kernel.mounts.mounts import Mounts
from strata_kernel.mounts.path import MountPath
from strata_kernel.ports import Observed
from strata_kernel.transfer import Tell

if TYPE_CHECKING:
    from strata_kernel.kernel.kernel import StrataKernel


class Mounting:
    """The mounts as one host uses them; without any, nothing is wrapped and nothing is asked."""

    def __init__(self, kernel: StrataKernel, mounts: Mounts | None = None, tell: Tell = lambda moved: None) -> None:
        self._kernel, self._mounts = kernel, mounts
        if mounts is not None:
            mounts.cache.tell = tell
            mounts.apart, mounts.settle = active.apart, active.exempt_thread
            active.ahead = mounts.handed_on
            mounts.install()

    @contextmanager
    def bound(self, terms: Terms, namespace: dict[str, Any]) -> Iterator[None]:
        """Bind the paths of the mounts to their names while a cell runs."""
        if self._mounts is None:
            yield
            return
        with self._mounts.bound(terms.mounts, namespace):
            yield

    def finish(self, reply: dict[str, Any]) -> dict[str, Any]:
        """Write back what a cell that succeeded wrote, and return its reply: an error where that cannot be."""
        if self._mounts is None:
            return reply
        if reply["status"] != "ok":
            self._say(self._mounts.keep())
            return reply
        try:
            self._mounts.commit()
        except MountError as error:
            return self._kernel.fail("MountError", str(error))
        except KeyboardInterrupt:
            self._say(self._mounts.keep("may have been written back in part"))
            raise
        return reply

    def _say(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._kernel.show("stream", {"name": "stderr", "text": f"strata: {text}\n"})

    @staticmethod
    def candidates(values: Iterable[Any]) -> list[Any]:
        """Leave out the paths of mounts: what is done with them is known, and their texts would fetch."""
        return [value for value in values if not isinstance(value, MountPath)]

    def told(self, seen: Observed) -> Observed:
        """Return what was seen, with files in the trees of mounts as what they stand for."""
        mounts = self._mounts
        if mounts is None:
            return seen
        facts: dict[Fact, None] = {}
        for fact in seen.facts:
            told = mounts.told(fact)
            if told is not None:
                facts[told] = None
        looked, reasons = mounts.seen()
        seen.facts = tuple({**facts, **dict.fromkeys(looked)})
        seen.written = tuple(p for p in seen.written if not mounts.is_ours(p))
        seen.made = tuple(p for p in seen.made if not mounts.is_ours(p))
        seen.deleted = tuple(p for p in seen.deleted if not mounts.is_ours(p))
        ours = [r for r in seen.reasons if r.code == "changed" and mounts.is_ours(r.text.split(" changed while")[0])]
        seen.reasons = (*(r for r in seen.reasons if r not in ours), *reasons)
        return seen
