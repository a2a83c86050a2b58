"""What can be told of a cell from its syntax alone."""

from __future__ import annotations

import msgspec

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Chain


class Definition(msgspec.Struct, frozen=True):
    """A `def` or `class` statement at the cell's top level, bound once in the cell.

    `digest` is its canonical code; `evaluates` the globals read when the statement runs (decorators, defaults, bases,
    annotations, class body); `free` the globals that its functions may read or bind when called later; `source` its
    text; `frozen` and `always` what its functions carry into the cells that call them; `modules` what they may import.
    """

    name: str
    digest: str
    evaluates: frozenset[str]
    free: frozenset[str]
    mentions: frozenset[str]
    effects: tuple[Chain, ...]
    opaque: bool
    source: str
    line: int
    frozen: tuple[Reason, ...] = ()
    always: tuple[Reason, ...] = ()
    modules: frozenset[str] = frozenset()


class Import(msgspec.Struct, frozen=True):
    """A name bound by an unconditional top-level import and not bound otherwise in the cell.

    `import a.b as c` is (c, a.b, None); `import a.b` is (a, a, None); `from a import b as c` is (c, a, b).
    """

    name: str
    module: str
    attribute: str | None


class Analysis(msgspec.Struct, frozen=True):
    """The facts of one cell.

    `code`: digest of the canonical code. `reads`: names that may be loaded before the cell has certainly bound them,
    through its own functions too. `stores`: names the cell may bind in the notebook's namespace, `unsure` those of
    them that a run can leave unbound (in a branch, a loop, a function). `deletes`: names it may delete. `mentions`:
    identifiers inside string literals. `paths`: string literals that could name a file. `modules`: modules imported
    anywhere in it, `named` those and all names in them that could be submodules. `effects`: dotted calls whose result
    is thrown away and dotted stores (by root name: the engine keeps those whose root is an import). `opaque`: why it
    reads everything. `frozen`: where it asks for clock or entropy. `always`: why it can never be served. `error`: the
    syntax error. `result`: its last statement is a shown expression. `labels`: defined names in order of first
    appearance.
    """

    code: str
    reads: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    definitions: dict[str, Definition] = {}
    imports: dict[str, Import] = {}
    modules: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    mentions: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    effects: tuple[Chain, ...] = ()
    opaque: tuple[Reason, ...] = ()
    frozen: tuple[Reason, ...] = ()
    always: tuple[Reason, ...] = ()
    mutates: frozenset[str] = frozenset()
    error: Reason | None = None
    result: bool = False
    labels: tuple[str, ...] = ()
