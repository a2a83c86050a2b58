"""How expressions are walked: loads, scopes of comprehensions and lambdas, strings, roots of what may change."""

from __future__ import annotations

import ast
from typing import Any

from strata_kernel.domain.calls import CALLEES, judge
from strata_kernel.domain.scopes import Bindings, Scope, defaults, parameters, targets, walruses
from strata_kernel.domain.walk import HANDLERS, Body, Walk

#: Names that give access to everything when they are loaded, with what they are harmless for when called so.
_OPAQUE = frozenset({"eval", "exec", "globals", "locals", "vars", "dir", "__main__", "get_ipython"})
_REFLECTIVE = frozenset({"__globals__", "f_globals", "f_locals", "f_back", "user_ns", "user_global_ns", "__builtins__"})


def chain(node: ast.expr) -> tuple[str, str] | None:
    """Return (root, path) of a chain of attributes, subscripts and calls that starts with a name.

    `plt.rcParams["x"].update` is (`plt`, `rcParams[].update`); calls show as `()`.
    """
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append("." + node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            parts.append("[]")
            node = node.value
        elif isinstance(node, ast.Call):
            parts.append("()")
            node = node.func
        elif isinstance(node, ast.Await | ast.Starred):
            node = node.value
        elif isinstance(node, ast.Name):
            return node.id, "".join(reversed(parts)).removeprefix(".")
        else:
            return None


def names_in(node: ast.AST) -> set[str]:
    """Return all names in the expression: any of them may be, or share state with, its value."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Constant):
        return set()
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _name(walk: Walk, node: ast.Name) -> None:
    name = node.id
    walk.trail.append(name)
    if node.ctx.__class__ is ast.Load:
        if walk.load(name) and name in _OPAQUE and name not in walk.assigned:
            walk.note("opaque", "opaque", f"opaque `{name}`", node)
    elif node.ctx.__class__ is ast.Store:
        walk.store(name)
    else:
        walk.delete(name)


def _constant(walk: Walk, node: ast.Constant) -> None:
    if node.value.__class__ is str:
        walk.text(str(node.value))


def _joined(walk: Walk, node: ast.JoinedStr) -> None:
    for part in node.values:
        if isinstance(part, ast.Constant):
            walk.text(str(part.value), path=False)
        else:
            walk.visit(part)


def _formatted(walk: Walk, node: ast.FormattedValue) -> None:
    walk.visit(node.value)
    if node.format_spec is not None:
        walk.visit(node.format_spec)


def _attribute(walk: Walk, node: ast.Attribute) -> None:
    if isinstance(node.ctx, ast.Load):
        if node.attr in _REFLECTIVE:
            walk.note("opaque", "opaque", f"opaque `{node.attr}`", node)
        if node.attr == "__subclasses__":
            # What a class statement adds there, and what is left of classes that were made anew, no unit holds.
            walk.note("opaque", "opaque", f"opaque `{node.attr}`", node)
            walk.note("always", "introspection", f"`{node.attr}` looks at the session", node)
    else:
        changed(walk, node)
    walk.visit(node.value)


def _subscript(walk: Walk, node: ast.Subscript) -> None:
    if not isinstance(node.ctx, ast.Load):
        changed(walk, node)
    elif isinstance(node.value, ast.Attribute) and node.value.attr == "modules":
        index = node.slice
        if (isinstance(index, ast.Constant) and index.value == "__main__") or (
            isinstance(index, ast.Name) and index.id == "__name__"
        ):
            walk.note("opaque", "opaque", "opaque `__main__`", node)
    walk.visit(node.value)
    walk.visit(node.slice)


def changed(walk: Walk, node: ast.expr, suffix: str = "=") -> None:
    """Note a store to an attribute or an item."""
    found = chain(node)
    if found is None:
        walk.facts.mutates |= names_in(node)
        return
    root, path = found
    walk.facts.mutates.add(root)
    scope = walk.scope
    if scope.kind == "module" or scope.is_global(scope.mangle(root), walk.assigned) or scope.is_import(root):
        walk.effect(root, path + suffix, node)


def _call(walk: Walk, node: ast.Call) -> None:
    function = node.func
    found = chain(function)
    mutates = walk.facts.mutates
    if found is not None:
        if not isinstance(function, ast.Name):
            mutates.add(found[0])
    else:
        mutates |= names_in(function)
    if found is not None and _last(walk, found) in CALLEES:
        judge(walk, node, found)
    name = function.id if isinstance(function, ast.Name) else None
    if name is None or name not in _BUILTIN or not _builtin(walk, name, node):
        walk.visit(function)
    mark = len(walk.trail)
    for argument in node.args:
        walk.visit(argument)
    for keyword in node.keywords:
        walk.visit(keyword.value)
    mutates.update(walk.trail[mark:])


def _last(walk: Walk, found: tuple[str, str]) -> str:
    root, path = found
    return (path or walk.facts.aliases.get(root, root)).rpartition(".")[2]


_BUILTIN = frozenset({"eval", "exec", "vars", "dir", "locals", "setattr", "delattr", "__import__"})


def _builtin(walk: Walk, name: str, node: ast.Call) -> bool:
    """Model a call of a builtin; return whether the name needs no further look."""
    arguments = node.args
    if name in ("setattr", "delattr"):
        if len(arguments) >= 2:
            key = arguments[1]
            label = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else "…"
            found = chain(arguments[0])
            if found is not None:
                target = ast.Attribute(value=arguments[0], attr=label, ctx=ast.Store())
                changed(walk, ast.copy_location(target, node))
        return False
    if walk.scope.kind != "module" and not walk.scope.is_global(name, walk.assigned):
        return False
    if name in ("vars", "dir") and len(arguments) == 1:
        walk.load(name)
        return True
    if name in ("vars", "locals", "dir") and not arguments and walk.body is not None and walk.scope.kind == "function":
        walk.load(name)
        return True
    if name in ("eval", "exec") and len(arguments) == 1 and not node.keywords:
        text = arguments[0]
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and walk.scope.kind == "module":
            return _literal(walk, name, text.value, node)
    return False


def _literal(walk: Walk, name: str, text: str, node: ast.Call) -> bool:
    """Walk the code in a string literal as if it stood here; return whether it could be."""
    try:
        tree: ast.Module | ast.Expression
        tree = ast.parse(text.strip(), mode="eval") if name == "eval" else ast.parse(text)
    except (SyntaxError, ValueError, MemoryError):
        return False
    walk.load(name)
    for part in ast.walk(tree):
        if isinstance(part, ast.expr | ast.stmt):
            part.lineno = node.lineno
    found = list(walruses(tree))
    before = dict(walk.facts.bound)
    state = walk.careful, walk.walrus, walk.depth
    walk.careful, walk.walrus, walk.depth = True, walk.walrus or bool(found), walk.depth + 1
    walk.visits(tree.body if isinstance(tree, ast.Module) else [tree.body])
    if isinstance(tree, ast.Module):
        # A function of the string is not a definition of the cell.
        walk.charge()
        for name, times in walk.facts.bound.items():
            if times != before.get(name):
                walk.facts.bound[name] += 1
    walk.careful, walk.walrus, walk.depth = state
    return True


def _lambda(walk: Walk, node: ast.Lambda) -> None:
    walk.visits(defaults(node.args))
    bound = Bindings()
    bound.names = {argument.arg for argument in parameters(node.args)}
    if walk.walrus:
        bound.names.update(walruses(node.body))
    called(walk, [node.body], bound)


def called(walk: Walk, body: list[Any], bound: Bindings) -> None:
    """Walk code that runs when it is called, in a scope with these bindings."""
    saved = walk.scope, walk.assigned, walk.breaks, walk.dead, walk.body
    scope = Scope("function", walk.scope, bound)
    if scope.private is not None:
        bound.names = {scope.mangle(name) for name in bound.names}
        bound.globals = {scope.mangle(name) for name in bound.globals}
    walk.scope, walk.assigned, walk.breaks, walk.dead = scope, set(), [], False
    fresh = Body() if walk.body is None else None
    if fresh is not None:
        walk.body = fresh
    walk.depth += 1
    walk.visits(body)
    walk.depth -= 1
    walk.scope, walk.assigned, walk.breaks, walk.dead, walk.body = saved
    if fresh is not None:
        walk.settle(fresh)


def _comprehension(walk: Walk, node: Any) -> None:
    generators: list[ast.comprehension] = node.generators
    first = generators[0]
    used = walk.within(first.iter)
    bound = Bindings()
    for generator in generators:
        names = list(targets(generator.target))
        bound.names.update(names)
        if generator is not first:
            used = list(names_in(generator.iter))
        walk.facts.mutates.update(used)
        walk.flow(names, used)
    outer = walk.scope
    scope = walk.scope = Scope("comprehension", outer, bound)
    bound.names = {scope.mangle(name) for name in bound.names}
    rest: list[ast.AST] = []
    for generator in generators:
        if generator is not first:
            rest.append(generator.iter)
        if not isinstance(generator.target, ast.Name):
            walk.scope = scope
            rest += [part for part in ast.walk(generator.target) if isinstance(part, ast.Attribute | ast.Subscript)]
        rest += generator.ifs
    rest += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    walk.perhaps(rest)
    walk.scope = outer


def _walrus(walk: Walk, node: ast.NamedExpr) -> None:
    names = list(targets(node.target))
    walk.flow(names, walk.within(node.value))
    for name in names:
        walk.store(name)


def _boolean(walk: Walk, node: ast.BoolOp) -> None:
    walk.visit(node.values[0])
    walk.perhaps(node.values[1:])


def _conditional(walk: Walk, node: ast.IfExp) -> None:
    walk.visit(node.test)
    walk.perhaps([node.body])
    walk.perhaps([node.orelse])


def _compare(walk: Walk, node: ast.Compare) -> None:
    walk.visit(node.left)
    walk.visit(node.comparators[0])
    walk.perhaps(node.comparators[1:])


def _awaited(walk: Walk, node: ast.Await | ast.YieldFrom) -> None:
    walk.facts.mutates.update(walk.within(node.value))


HANDLERS.update(
    {
        ast.Name: _name,
        ast.Constant: _constant,
        ast.JoinedStr: _joined,
        ast.FormattedValue: _formatted,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.Call: _call,
        ast.Lambda: _lambda,
        ast.ListComp: _comprehension,
        ast.SetComp: _comprehension,
        ast.DictComp: _comprehension,
        ast.GeneratorExp: _comprehension,
        ast.NamedExpr: _walrus,
        ast.BoolOp: _boolean,
        ast.IfExp: _conditional,
        ast.Compare: _compare,
        ast.Await: _awaited,
        ast.YieldFrom: _awaited,
    }
)
