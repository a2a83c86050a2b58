"""Python cells, IPython's magics included."""

from __future__ import annotations

from collections.abc import Callable

from strata_kernel.cells.kind import Identity, Policy, Reading
from strata_kernel.domain import provenance, syntax
from strata_kernel.domain.analyse import analyse
from strata_kernel.domain.analysis import Analysis
from strata_kernel.domain.cell import Cell
from strata_kernel.domain.directives import Directives, parse
from strata_kernel.domain.terms import Terms, settle

#: Turns a cell with magics into Python; only called for sources that are not Python already.
Transform = Callable[[str], str]


class PythonKind:
    """The kind of every cell that no other kind claims."""

    name = "python"

    def __init__(self, transform: Transform) -> None:
        self._transform = transform
        self._read: dict[tuple[str, Identity], Reading] = {}

    def claims(self, source: str) -> bool:
        """Claim everything."""
        return True

    def read(self, cell: Cell, identity: Identity) -> Reading:
        """Parse the directives, analyse the code, and name the program."""
        known = self._read.get((cell.id, identity))
        if known is not None and known.cell == cell:
            return known
        directives = parse(cell.source)
        terms = settle(directives, identity.defaults)
        analysis = analyse(cell.source, self._python(cell.source))
        reading = Reading(
            cell=cell,
            analysis=analysis,
            program=_program(analysis, directives, terms, identity),
            policy=_policy(directives),
            directives=directives,
            deps=tuple((d.kind, d.name) for d in directives.deps),
            terms=terms,
            portable=True,
        )
        self._read[cell.id, identity] = reading
        return reading

    def _python(self, source: str) -> str | None:
        # What parses is no magic: IPython's syntax is chosen so that Python refuses it.
        try:
            syntax.parse(source)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            try:
                return self._transform(source)
            except SyntaxError:
                return None
        return None


def _policy(directives: Directives) -> Policy:
    found = directives.cache
    return Policy(found.policy, found.seconds) if found else Policy()


def _program(analysis: Analysis, directives: Directives, terms: Terms, identity: Identity) -> str:
    matters = {"deps": " ".join(sorted(f"{d.kind}:{d.name}" for d in directives.deps))} if directives.deps else {}
    matters |= terms.matters
    per_session = directives.cache is not None and directives.cache.policy == "session"
    return provenance.program(
        code=analysis.code,
        directives=matters,
        python=identity.python,
        worker=identity.of_worker(terms.worker),
        session=identity.session if per_session else "",
    )
