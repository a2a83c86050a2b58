"""The state of one walk over a cell: what is known so far, and where a load or a store lands."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import DECORATES, Chain
from strata_kernel.domain.scopes import Bindings, Scope

Handler = Callable[["Walk", Any], None]

#: One handler per class of syntax node; the modules of statements and expressions fill it.
HANDLERS: dict[type[ast.AST], Handler] = {}

WORD = re.compile(r"[^\W\d]\w*")
MENTIONS_LIMIT = 1000
STRING_LIMIT = 10_000
PATH_LIMIT = 1024


class Body:
    """Code that runs when something calls it: the globals it may touch and the reasons it carries."""

    __slots__ = ("always", "frozen", "loads", "stores")

    def __init__(self) -> None:
        self.loads: set[str] = set()
        self.stores: set[str] = set()
        self.frozen: list[Reason] = []
        self.always: list[Reason] = []


class Parts:
    """The facts of the top-level definition that is being walked."""

    __slots__ = ("always", "effects", "evaluates", "free", "frozen", "mentions", "opaque")

    def __init__(self) -> None:
        self.evaluates: set[str] = set()
        self.free: set[str] = set()
        self.mentions: set[str] = set()
        self.effects: list[Chain] = []
        self.frozen: list[Reason] = []
        self.always: list[Reason] = []
        self.opaque = False


class Totals:
    """The facts of the cell so far."""

    __slots__ = (
        "aliases", "always", "bound", "deletes", "effects", "flows", "frozen", "gone", "lasting", "loaded", "mentions",
        "modules", "mutates", "opaque", "order", "paths", "reads", "stores",
    )  # fmt: skip

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.loaded: set[str] = set()
        self.stores: set[str] = set()
        self.deletes: set[str] = set()
        #: Names that an unconditional `del` took away again, and names that a function may bind at any time.
        self.gone: set[str] = set()
        self.lasting: set[str] = set()
        self.bound: Counter[str] = Counter()
        #: Names in order of first binding; the value tells imports.
        self.order: dict[str, bool] = {}
        self.mutates: set[str] = set()
        #: Pairs (names bound, names of the value): to mutate the first may mutate the second.
        self.flows: list[tuple[tuple[str, ...], frozenset[str]]] = []
        self.modules: set[str] = set()
        self.mentions: set[str] = set()
        self.paths: set[str] = set()
        self.effects: list[Chain] = []
        self.opaque: list[Reason] = []
        self.frozen: list[Reason] = []
        self.always: list[Reason] = []
        #: What the cell's own imports call things: `np` is `numpy`, `now` is `time.time`.
        self.aliases: dict[str, str] = {}


class Walk:
    """A walk in order of execution that carries the names which the cell has certainly bound or deleted.

    `assigned` only grows along a path: a deleted name is as settled as a bound one. `base` is the module's set while a
    class body is walked, whose own set `assigned` then is. Functions wait in `pending` until something could call them.
    """

    def __init__(self, walrus: bool, careful: bool, future: bool) -> None:
        self.facts = Totals()
        self.walrus = walrus
        self.careful = careful
        self.future = future
        self.scope = Scope("module", None, Bindings())
        self.assigned: set[str] = set()
        self.base: set[str] | None = None
        self.body: Body | None = None
        self.parts: Parts | None = None
        self.pending: list[Body] = []
        self.breaks: list[list[set[str]]] = []
        #: All names in the order they are met: what is added while an expression is walked are the names in it.
        self.trail: list[str] = []
        self.lazy = False
        self.dead = False
        self.depth = 0
        self.offset = 0

    def enter(self) -> Parts:
        """Begin a top-level definition."""
        self.parts = Parts()
        return self.parts

    def visit(self, node: ast.AST) -> None:
        """Walk one node."""
        handler = HANDLERS.get(node.__class__)
        if handler is not None:
            handler(self, node)
        else:
            for child in ast.iter_child_nodes(node):
                self.visit(child)

    def visits(self, nodes: Iterable[ast.AST | None]) -> None:
        """Walk nodes that are executed one after the other."""
        for node in nodes:
            if node is not None:
                self.visit(node)

    def perhaps(self, nodes: Iterable[ast.AST | None]) -> None:
        """Walk expressions that may be left out: what they bind is not certain."""
        if not self.careful:
            self.visits(nodes)
            return
        before = self.assigned
        self.assigned = set(before)
        self.visits(nodes)
        self.assigned = before

    def branch(self, nodes: Sequence[ast.AST], start: set[str]) -> set[str] | None:
        """Walk one of several branches from `start`; return what is certain at its end, None when it never ends."""
        dead, self.dead = self.dead, False
        # Functions of another branch do not exist in this one.
        held, self.pending = self.pending, []
        self.assigned = set(start)
        self.depth += 1
        self.visits(nodes)
        self.depth -= 1
        end = None if self.dead else self.assigned
        self.dead = dead
        self.pending = held + self.pending
        return end

    def join(self, ends: Iterable[set[str] | None], start: set[str]) -> None:
        """Go on after branches with what is certain on all of those that end."""
        alive = [end for end in ends if end is not None]
        if alive:
            self.assigned = set.intersection(*alive)
        else:
            self.assigned, self.dead = start, True

    def within(self, node: ast.AST) -> list[str]:
        """Walk an expression and return the names in it: its value may be, or share state with, any of them."""
        mark = len(self.trail)
        self.visit(node)
        return self.trail[mark:]

    def flow(self, names: Iterable[str], roots: list[str]) -> None:
        """Note that names are bound to a value which may share state with the roots."""
        bound = tuple(names)
        if bound and roots:
            self.facts.flows.append((bound, frozenset(roots)))

    def load(self, name: str) -> bool:
        """Note a load; return whether it may reach the notebook's namespace."""
        scope = self.scope
        name = scope.mangle(name)
        if scope.kind != "module" and not scope.is_global(name, self.assigned):
            return False
        facts = self.facts
        facts.loaded.add(name)
        if self.body is not None:
            self.body.loads.add(name)
            return True
        if self.parts is not None:
            self.parts.evaluates.add(name)
        if name not in (self.assigned if self.base is None else self.base):
            facts.reads.add(name)
        return True

    def store(self, name: str, imported: bool = False) -> None:
        """Note that a name is bound here."""
        scope = self.scope.holder()
        name = scope.mangle(name)
        if scope.kind == "module":
            self.assigned.add(name)
            self._bind(name, imported, 1)
        elif name in scope.bindings.globals:
            self._bind(name, imported, 2)
            self.facts.lasting.add(name)
            if self.body is not None:
                self.body.stores.add(name)
        elif scope.kind == "class" and name not in scope.bindings.deleted:
            self.assigned.add(name)

    def _bind(self, name: str, imported: bool, times: int) -> None:
        facts = self.facts
        facts.stores.add(name)
        facts.bound[name] += times
        facts.gone.discard(name)
        facts.order[name] = imported and facts.order.get(name, True)

    def delete(self, name: str) -> None:
        """Note that a name is deleted here."""
        scope = self.scope
        name = scope.mangle(name)
        self.load(name)
        if scope.kind == "module":
            self.assigned.add(name)
            self.facts.deletes.add(name)
            if self.depth == 0:
                self.facts.gone.add(name)
        elif name in scope.bindings.globals:
            self.facts.deletes.add(name)
            if self.body is not None:
                self.body.stores.add(name)

    def settle(self, body: Body) -> None:
        """Take a function into account: later when nothing can call it yet, else now."""
        if self.parts is not None:
            parts = self.parts
            parts.free |= body.loads | body.stores
            parts.frozen += body.frozen
            parts.always += body.always
        if self.lazy:
            self.pending.append(body)
        else:
            self._charge(body)

    def charge(self) -> None:
        """Take the waiting functions into account: something may call them from here on."""
        if self.pending and self.body is None:
            for body in self.pending:
                self._charge(body)
            self.pending.clear()

    def _charge(self, body: Body) -> None:
        facts = self.facts
        facts.reads |= body.loads - (self.assigned if self.base is None else self.base)
        facts.frozen += body.frozen
        facts.always += body.always

    def line(self, node: ast.AST) -> int:
        """Return the line of the node in the cell, counted from 1."""
        return int(getattr(node, "lineno", 1)) + self.offset

    def note(self, kind: Literal["frozen", "always", "opaque"], code: str, text: str, node: ast.AST) -> None:
        """Note why the cell is opaque, frozen or always runs."""
        reason = Reason(code, text, line=self.line(node))
        if kind == "opaque":
            self.facts.opaque.append(reason)
            if self.parts is not None:
                self.parts.opaque = True
            return
        getattr(self.body if self.body is not None else self.facts, kind).append(reason)

    def effect(self, root: str, path: str, node: ast.AST) -> None:
        """Note a call or a store that may change the process."""
        chain = Chain(root, path, self.line(node))
        self.facts.effects.append(chain)
        # A decorator does so where the definition is made, not where it is called.
        if self.parts is not None and not (self.body is None and path.endswith(DECORATES)):
            self.parts.effects.append(chain)

    def text(self, value: str, path: bool = True) -> None:
        """Note a string literal: the names it mentions and the file it could name."""
        facts = self.facts
        if len(value) <= STRING_LIMIT and len(facts.mentions) < MENTIONS_LIMIT:
            words = WORD.findall(value)
            facts.mentions.update(words)
            if self.parts is not None:
                self.parts.mentions.update(words)
        if path and 0 < len(value) <= PATH_LIMIT and "\n" not in value and "\0" not in value and not value.isspace():
            facts.paths.add(value)
