"""Loop cells: Python that is run in passes, each of which has a key and a result of its own."""

from __future__ import annotations

import msgspec

from strata_kernel.cells.kind import Identity, Loop, Reading
from strata_kernel.cells.python import PythonKind
from strata_kernel.domain import provenance
from strata_kernel.domain.analyse import analyse
from strata_kernel.domain.cell import Cell
from strata_kernel.domain.directives import parse

#: Binds what the engine is told of the test; IPython takes names like this for its own.
TEST = "__until__"


class LoopKind:
    """The kind of Python cells with `# @loop`."""

    name = "loop"

    def __init__(self, python: PythonKind) -> None:
        self._python = python
        self._read: dict[tuple[str, Identity], Reading] = {}

    def claims(self, source: str) -> bool:
        """Claim cells whose `# @loop` says all that it must."""
        return "@loop" in source and parse(source).loop is not None

    def read(self, cell: Cell, identity: Identity) -> Reading:
        """Read the body as a Python cell, and the whole as what its passes read and write together."""
        known = self._read.get((cell.id, identity))
        if known is not None and known.cell == cell:
            return known
        body = self._python.read(cell, identity)
        found = self._read[cell.id, identity] = body if body.analysis.error is not None else _whole(body, identity)
        return found


def _whole(body: Reading, identity: Identity) -> Reading:
    loop = body.directives.loop
    assert loop is not None
    until = _until(body, identity)
    matters = {"loop": f"{loop.max_iter} {' '.join(loop.carry)}", "from": repr(loop.start_from)}
    analysis = body.analysis
    if until is not None:
        matters["until"] = until.analysis.code
        analysis = msgspec.structs.replace(
            analysis,
            reads=analysis.reads | (until.analysis.reads - (analysis.stores - analysis.unsure)),
            stores=analysis.stores | until.analysis.stores - {TEST},
            unsure=analysis.unsure | until.analysis.stores - {TEST},
            mutates=analysis.mutates | until.analysis.mutates,
            opaque=analysis.opaque + until.analysis.opaque,
        )
    return msgspec.structs.replace(
        body,
        analysis=analysis,
        program=provenance.program(
            code=body.program, directives=matters, python=identity.python, worker=identity.of_worker(body.terms.worker)
        ),
        kind="loop",
        portable=False,
        loop=Loop(loop.max_iter, loop.carry, loop.start_from, msgspec.structs.replace(body, part="pass"), until),
    )


def _until(body: Reading, identity: Identity) -> Reading | None:
    expression = body.directives.loop_until
    if expression is None:
        return None
    source = f"{TEST} = bool(\n{expression}\n)"
    analysis = analyse(source)
    program = provenance.program(
        code=analysis.code,
        directives={"part": "until", **body.terms.matters},
        python=identity.python,
        worker=identity.of_worker(body.terms.worker),
    )
    return msgspec.structs.replace(
        body, analysis=analysis, program=program, part="until", source=source, deps=(), loop=None
    )
