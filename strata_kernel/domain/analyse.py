"""From the text of a cell to what its syntax tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import lru_cache

from strata_kernel.domain import magics, statements  # noqa: F401  (registers how statements are walked)
from strata_kernel.domain.analysis import Analysis, Definition, Import
from strata_kernel.domain.canonical import canonical
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.scopes import DEFS
from strata_kernel.domain.syntax import NEWLINE, is_quiet, parse
from strata_kernel.domain.walk import Totals, Walk

_CAREFUL = re.compile(r":=|\bexec\b|\beval\b|get_ipython")
#: Deeper trees than the interpreter's stack, or than the parser's, come as one of these.
_TOO_DEEP = (RecursionError, MemoryError)


def analyse(source: str, python: str | None = None) -> Analysis:
    """Return the facts of a cell: `source` is its text, `python` what IPython makes of it when that differs.

    It never raises: what cannot be parsed has its `error`, what nests too deep to be walked is opaque.
    """
    return _analyse(source, python)


@lru_cache(maxsize=2048)
def _analyse(source: str, python: str | None) -> Analysis:
    text = source if python is None else python
    try:
        tree = parse(text)
    except SyntaxError as error:
        return _broken(source, text, Reason("syntax", error.msg or "invalid syntax", line=error.lineno))
    except (ValueError, *_TOO_DEEP) as error:
        return _broken(source, text, Reason("syntax", str(error) or type(error).__name__))
    offset = 0 if python is None else _shift(source, python)
    quiet = is_quiet(text, tree)
    try:
        if "get_ipython" in text:
            tree = magics.model(tree)
        future = _futures(tree)
        encoded = [canonical(node) for node in tree.body]
        walk = Walk(walrus=":=" in text, careful=_CAREFUL.search(text) is not None, future="annotations" in future)
        walk.offset = offset
        found = _Found(walk, future)
        found.suite(tree.body, text, encoded)
        return found.analysis(digest("cell", quiet, encoded), magics.shows(tree) and not quiet)
    except _TOO_DEEP:
        return _coarse(tree, quiet)


def _broken(source: str, text: str, error: Reason) -> Analysis:
    return Analysis(code=digest("text", source, text), error=error)


def _shift(source: str, python: str) -> int:
    """Return how many blank lines in front of the cell IPython has taken away."""
    return _blank(source) - _blank(python)


def _blank(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")


def _futures(tree: ast.Module) -> frozenset[str]:
    return frozenset(
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    )


def _coarse(tree: ast.Module, quiet: bool) -> Analysis:
    """Return what a look without order tells of a tree that is too deep: it may read and change all names."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    stores = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    return Analysis(
        code=digest("cell", quiet, [canonical(node) for node in tree.body]),
        reads=frozenset(names),
        stores=frozenset(stores),
        unsure=frozenset(stores),
        mutates=frozenset(names),
        opaque=(Reason("opaque", "opaque: nested too deep"),),
        labels=tuple(sorted(stores)),
    )


class _Found:
    """Collects the definitions and imports among the top-level statements while they are walked."""

    def __init__(self, walk: Walk, future: frozenset[str]) -> None:
        self.walk = walk
        self.future = sorted(future)
        self.definitions: dict[str, Definition] = {}
        self.imports: dict[str, Import] = {}
        self.named: set[str] = set()
        #: How often a name is bound by one and the same import.
        self.imported: dict[str, int] = {}

    def suite(self, body: Sequence[ast.stmt], text: str, encoded: Sequence[bytes]) -> None:
        """Walk top-level statements; the code inside of a timing magic counts as top-level too."""
        for node, code in zip(body, encoded, strict=True):
            self.named |= named_modules(node)
            if isinstance(node, DEFS):
                self._define(node, text, code)
            elif (inner := magics.inlined(node)) is not None:
                self.walk.charge()
                with inner.shifted(self.walk):
                    self.suite(inner.body, inner.text, [canonical(each) for each in inner.body])
                self.walk.visits(inner.after)
            else:
                self._import(node)
                self.walk.visit(node)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, text: str, code: bytes) -> None:
        parts = self.walk.enter()
        self.walk.visit(node)
        self.walk.parts = None
        source, line = _segment(node, text)
        self.definitions[node.name] = Definition(
            name=node.name,
            digest=digest("definition", self.future, code),
            evaluates=frozenset(parts.evaluates),
            free=frozenset(parts.free),
            mentions=frozenset(parts.mentions),
            effects=tuple(parts.effects),
            opaque=parts.opaque,
            source=source,
            line=line,
            frozen=tuple(parts.frozen),
            always=tuple(parts.always),
            modules=frozenset(named_modules(node)),
        )

    def _import(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                self._bind(Import(name, alias.name if alias.asname else name, None))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                name = alias.asname or alias.name
                self._bind(Import(name, node.module, alias.name))

    def _bind(self, found: Import) -> None:
        same = self.imports.get(found.name) == found
        self.imported[found.name] = self.imported[found.name] + 1 if same else 1
        self.imports[found.name] = found

    def analysis(self, code: str, result: bool) -> Analysis:
        """Return the facts of the whole cell."""
        walk, facts = self.walk, self.walk.facts
        ready = (list(facts.frozen), list(facts.always))
        walk.charge()
        gone = facts.deletes
        once = {name for name, times in facts.bound.items() if times == 1} - gone
        stores = facts.stores - (facts.gone - facts.lasting)
        order = [name for name in facts.order if name in stores]
        return Analysis(
            code=code,
            reads=frozenset(facts.reads),
            stores=frozenset(stores),
            unsure=frozenset(stores - walk.assigned | stores & facts.deletes),
            deletes=frozenset(facts.deletes),
            definitions={name: each for name, each in self.definitions.items() if name in once},
            imports={n: i for n, i in self.imports.items() if facts.bound[n] == self.imported[n] and n not in gone},
            modules=frozenset(facts.modules),
            named=frozenset(self.named | facts.modules),
            mentions=frozenset(facts.mentions),
            paths=frozenset(facts.paths),
            effects=tuple(facts.effects),
            opaque=tuple(facts.opaque),
            frozen=tuple(ready[0]),
            always=tuple(ready[1]),
            mutates=_mutated(facts),
            result=result,
            labels=tuple(sorted(order, key=facts.order.__getitem__)),
        )


def named_modules(tree: ast.stmt) -> set[str]:
    """Return the modules that the imports anywhere in it may load: a name that is imported from one may be another."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*")}
    return found


def _mutated(facts: Totals) -> frozenset[str]:
    """Follow assignments back: what is mutated through one name is mutated under the names that it came from."""
    found = facts.mutates
    before = -1
    while before != len(found):
        before = len(found)
        for names, roots in facts.flows:
            if not found.isdisjoint(names):
                found |= roots
    return frozenset(found & (facts.loaded | facts.stores))


def _segment(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, text: str) -> tuple[str, int]:
    """Return the text of a definition with its decorators, and the line it starts at."""
    lines = NEWLINE.sub("\n", text).split("\n")
    start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    if node.decorator_list:
        while start > 0 and not lines[start].startswith("@"):
            start -= 1
    end = (node.end_lineno or node.lineno) - 1
    last = lines[end].encode("utf-8", "surrogatepass")[: node.end_col_offset].decode("utf-8", "surrogatepass")
    return "\n".join([*lines[start:end], last]) + "\n", start + 1
