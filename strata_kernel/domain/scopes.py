"""Which names a block of code binds, and in which namespace a name is looked up."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

ScopeKind = Literal["module", "function", "class", "comprehension", "types"]

DEFS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_TYPE_ALIAS: Any = getattr(ast, "TypeAlias", ())


class Bindings:
    """What the statements of one scope bind, declare and delete, nested scopes aside."""

    __slots__ = ("deleted", "globals", "names", "nonlocals")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.deleted: set[str] = set()


class Scope:
    """A namespace of the cell; `types` are the scopes of type parameters, which see the class around them."""

    __slots__ = ("bindings", "imported", "kind", "parent", "private")

    def __init__(self, kind: ScopeKind, parent: Scope | None, bindings: Bindings, private: str | None = None) -> None:
        self.kind = kind
        self.parent = parent
        self.bindings = bindings
        self.private: str | None = private
        if private is None and parent is not None:
            self.private = parent.private
        self.imported: set[str] = set()

    def mangle(self, name: str) -> str:
        """Return the name as the compiler spells it inside a class: `__x` is `_Class__x`."""
        if self.private is None or not name.startswith("__") or name.endswith("__") or "." in name:
            return name
        stem = self.private.lstrip("_")
        return f"_{stem}{name}" if stem else name

    def is_global(self, name: str, assigned: set[str]) -> bool:
        """Return whether loading the name here may reach the notebook's namespace.

        `assigned` holds the names certainly bound so far in the innermost class: a class that binds a name later, or
        perhaps, falls back to the notebook's namespace and skips the functions around it.
        """
        scope: Scope | None = self
        direct = True
        inside_class = False
        while scope is not None:
            kind, bound = scope.kind, scope.bindings
            if kind == "module":
                return not (inside_class and name == "__class__")
            if kind == "class":
                inside_class = True
                if direct:
                    if name in bound.globals:
                        return True
                    if name in bound.names:
                        return name not in assigned
            elif name in bound.globals:
                return True
            elif name in bound.names:
                return False
            if kind != "types":
                direct = False
            scope = scope.parent
        return True

    def holder(self) -> Scope:
        """Return the scope that a binding here lands in: a walrus leaves comprehensions."""
        scope = self
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        return scope

    def is_import(self, name: str) -> bool:
        """Return whether a function around here binds the name by an import of its own."""
        scope: Scope | None = self
        while scope is not None and scope.kind != "module":
            if name in scope.imported:
                return True
            scope = scope.parent
        return False


def bindings(body: Sequence[ast.stmt], walrus: bool) -> Bindings:
    """Return what the statements bind in their own scope; `walrus` tells whether to search expressions too."""
    found = Bindings()
    stack: list[ast.stmt] = list(body)
    while stack:
        _bind(stack.pop(), found, stack)
    if walrus:
        for statement in body:
            found.names.update(walruses(statement))
    found.names -= found.globals
    found.names -= found.nonlocals
    return found


def _bind(node: ast.stmt, found: Bindings, stack: list[ast.stmt]) -> None:
    names = found.names
    match node:
        case ast.Assign():
            for target in node.targets:
                names.update(targets(target))
        case ast.AnnAssign() | ast.AugAssign():
            names.update(targets(node.target))
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            names.add(node.name)
        case ast.Import() | ast.ImportFrom():
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        case ast.If() | ast.While():
            stack += node.body + node.orelse
        case ast.For() | ast.AsyncFor():
            names.update(targets(node.target))
            stack += node.body + node.orelse
        case ast.With() | ast.AsyncWith():
            for item in node.items:
                if item.optional_vars is not None:
                    names.update(targets(item.optional_vars))
            stack += node.body
        case ast.Try() | ast.TryStar():
            stack += node.body + node.orelse + node.finalbody
            for handler in node.handlers:
                if handler.name:
                    names.add(handler.name)
                    found.deleted.add(handler.name)
                stack += handler.body
        case ast.Match():
            for case in node.cases:
                names.update(captures(case.pattern))
                stack += case.body
        case ast.Delete():
            for target in node.targets:
                gone = list(targets(target))
                names.update(gone)
                found.deleted.update(gone)
        case ast.Global():
            found.globals.update(node.names)
        case ast.Nonlocal():
            found.nonlocals.update(node.names)
        case _ if isinstance(node, _TYPE_ALIAS):
            names.update(targets(node.name))


def targets(node: ast.expr) -> Iterator[str]:
    """Yield the names that assigning to the target binds."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Tuple | ast.List):
        for item in node.elts:
            yield from targets(item)
    elif isinstance(node, ast.Starred):
        yield from targets(node.value)


def captures(pattern: ast.pattern) -> Iterator[str]:
    """Yield the names that a pattern may bind."""
    for node in ast.walk(pattern):
        if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest


def walruses(root: ast.AST) -> Iterator[str]:
    """Yield the names that `:=` binds in the scope of the node, through comprehensions, not through functions."""
    stack: list[ast.AST] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.NamedExpr):
            yield from targets(node.target)
        if isinstance(node, ast.Lambda):
            stack += [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, DEFS):
            stack += header(node)
        else:
            stack.extend(ast.iter_child_nodes(node))


def header(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterable[ast.AST]:
    """Return the expressions that a definition evaluates in the scope around it, annotations included."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
    return [*node.decorator_list, *defaults(node.args), *hints(node)]


def defaults(args: ast.arguments) -> list[ast.expr]:
    """Return the default values of the parameters."""
    return [*args.defaults, *(value for value in args.kw_defaults if value is not None)]


def parameters(args: ast.arguments) -> list[ast.arg]:
    """Return all parameters."""
    rest = [arg for arg in (args.vararg, args.kwarg) if arg is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *rest]


def hints(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """Return the annotations of the parameters and of the result."""
    found = [arg.annotation for arg in parameters(node.args) if arg.annotation is not None]
    if node.returns is not None:
        found.append(node.returns)
    return found
