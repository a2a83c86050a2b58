"""How statements are walked: order of execution, branches, definitions, imports."""

from __future__ import annotations

import ast
from typing import Any

from strata_kernel.domain.expressions import called, chain
from strata_kernel.domain.manifest import DECORATES
from strata_kernel.domain.scopes import Bindings, Scope, bindings, captures, defaults, hints, parameters, targets
from strata_kernel.domain.walk import HANDLERS, Walk

_Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Context managers that are known to let exceptions through, by the last part of their name: what their block binds is
#: bound afterwards. Others may swallow an exception, as `contextlib.suppress` does.
TRANSPARENT = frozenset({
    "open", "no_grad", "inference_mode", "enable_grad", "set_grad_enabled", "autocast", "errstate", "printoptions",
    "option_context", "rc_context", "context", "catch_warnings", "redirect_stdout", "redirect_stderr", "closing",
    "nullcontext", "TemporaryDirectory", "NamedTemporaryFile", "TemporaryFile", "ZipFile", "TarFile", "File",
    "ThreadPoolExecutor", "ProcessPoolExecutor", "Pool", "urlopen", "tqdm", "StringIO", "BytesIO", "GradientTape",
    "config_context", "plotting_context", "axes_style", "color_palette", "localcontext", "ExcelWriter", "HDFStore",
    "parallel_backend", "parallel_config", "Parallel", "profile", "StringCache", "memmap", "scandir", "Model", "chdir",
})  # fmt: skip


def passive(node: ast.AST) -> bool:
    """Return whether executing the node can call nothing that the notebook defines."""
    match node:
        case ast.Constant() | ast.Name() | ast.Lambda() | ast.Pass() | ast.Import() | ast.ImportFrom():
            return not isinstance(node, ast.Lambda) or all(map(passive, defaults(node.args)))
        case ast.Global() | ast.Nonlocal():
            return True
        case ast.Expr():
            return isinstance(node.value, ast.Constant)
        case ast.Assign():
            return all(isinstance(target, ast.Name) for target in node.targets) and passive(node.value)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            plain = not node.decorator_list and not getattr(node, "type_params", None)
            return plain and all(map(passive, [*defaults(node.args), *hints(node)]))
        case ast.Tuple() | ast.List():
            return all(map(passive, node.elts))
    return False


def _start(walk: Walk, node: ast.stmt) -> bool:
    """Charge waiting functions unless the statement calls nothing; return whether it is passive."""
    if walk.body is not None:
        return False
    calm = passive(node)
    if not calm:
        walk.charge()
    return calm


def _settle(walk: Walk, start: set[str]) -> None:
    """Charge the functions of a block that may be left at any point with what was certain before it."""
    walk.assigned = start
    walk.charge()


def _expression(walk: Walk, node: ast.Expr) -> None:
    value = node.value
    if isinstance(value, ast.Constant):
        return
    _start(walk, node)
    call = value.value if isinstance(value, ast.Await) else value
    if isinstance(call, ast.Call):
        found = chain(call.func)
        if found is not None:
            discarded(walk, found, call)
    walk.visit(value)


def discarded(walk: Walk, found: tuple[str, str], node: ast.AST) -> None:
    """Note a call whose result is thrown away, or a store, unless its root is a function's own variable."""
    root, path = found
    scope = walk.scope
    if scope.kind == "module" or scope.is_global(scope.mangle(root), walk.assigned) or scope.is_import(root):
        walk.effect(root, path, node)


def _assign(walk: Walk, node: ast.Assign) -> None:
    calm = _start(walk, node)
    lazy, walk.lazy = walk.lazy, calm
    roots = walk.within(node.value)
    walk.lazy = lazy
    walk.flow([name for target in node.targets for name in targets(target)], roots)
    for target in node.targets:
        walk.visit(target)


def _augmented(walk: Walk, node: ast.AugAssign) -> None:
    _start(walk, node)
    target = node.target
    if isinstance(target, ast.Name):
        walk.load(target.id)
        walk.facts.mutates.add(target.id)
    walk.visit(node.value)
    walk.visit(target)


def _annotated(walk: Walk, node: ast.AnnAssign) -> None:
    _start(walk, node)
    if not walk.future and (walk.scope.kind in ("module", "class")):
        walk.visit(node.annotation)
    if node.value is not None:
        walk.flow(targets(node.target), walk.within(node.value))
        walk.visit(node.target)
    elif not isinstance(node.target, ast.Name):
        walk.visit(node.target)


def _delete(walk: Walk, node: ast.Delete) -> None:
    _start(walk, node)
    walk.visits(node.targets)


def _if(walk: Walk, node: ast.If) -> None:
    _start(walk, node)
    walk.visit(node.test)
    start = walk.assigned
    ends = [walk.branch(node.body, start), walk.branch(node.orelse, start)]
    walk.join(ends, start)


def _for(walk: Walk, node: ast.For | ast.AsyncFor) -> None:
    _start(walk, node)
    roots = walk.within(node.iter)
    walk.facts.mutates.update(roots)
    walk.flow(targets(node.target), roots)
    start = walk.assigned
    walk.breaks.append([])
    walk.branch([node.target, *node.body], start)
    _settle(walk, start)
    breaks = walk.breaks.pop()
    walk.join([walk.branch(node.orelse, start), *breaks], start)


def _while(walk: Walk, node: ast.While) -> None:
    _start(walk, node)
    walk.visit(node.test)
    start = walk.assigned
    walk.breaks.append([])
    walk.branch(node.body, start)
    _settle(walk, start)
    breaks: list[set[str] | None] = [*walk.breaks.pop()]
    if not (isinstance(node.test, ast.Constant) and node.test.value):
        breaks.append(walk.branch(node.orelse, start))
    walk.join(breaks, start)


def _break(walk: Walk, node: ast.Break) -> None:
    if walk.breaks:
        walk.breaks[-1].append(set(walk.assigned))
    walk.dead = True


def _leave(walk: Walk, node: ast.Raise | ast.Return | ast.Continue) -> None:
    _start(walk, node)
    walk.visits(ast.iter_child_nodes(node))
    walk.dead = True


def _assert(walk: Walk, node: ast.Assert) -> None:
    _start(walk, node)
    walk.perhaps([node.test, node.msg])


def _with(walk: Walk, node: ast.With | ast.AsyncWith) -> None:
    _start(walk, node)
    transparent = True
    kept: set[str] | None = None
    for item in node.items:
        used = walk.within(item.context_expr)
        walk.facts.mutates.update(used)
        callee = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
        found = chain(callee) if callee is not None else None
        if found is None or (found[1].rpartition(".")[2] or found[0]) not in TRANSPARENT:
            transparent = False
            kept = kept if kept is not None else set(walk.assigned)
        if item.optional_vars is not None:
            walk.flow(targets(item.optional_vars), used)
            walk.visit(item.optional_vars)
    if transparent:
        walk.join([walk.branch(node.body, walk.assigned)], walk.assigned)
        return
    start = kept if kept is not None else walk.assigned
    first = node.items[0].optional_vars
    if isinstance(first, ast.Name) and walk.scope.kind == "module":
        start.add(first.id)
    walk.branch(node.body, walk.assigned)
    _settle(walk, start)


def _try(walk: Walk, node: ast.Try | ast.TryStar) -> None:
    _start(walk, node)
    start = walk.assigned
    ends = [walk.branch([*node.body, *node.orelse], start)]
    _settle(walk, start)
    for handler in node.handlers:
        ends.append(walk.branch([handler], start))
    final: set[str] = set()
    if node.finalbody:
        final = (walk.branch(node.finalbody, start) or start) - start
    walk.join(ends, start)
    walk.assigned = walk.assigned | final


def _handler(walk: Walk, node: ast.ExceptHandler) -> None:
    if node.type is not None:
        walk.visit(node.type)
    name = node.name
    if name is not None:
        # The name is unbound when the handler ends, so the cell leaves no such name behind.
        facts = walk.facts
        if walk.scope.kind == "module":
            walk.assigned.add(name)
            facts.bound[name] += 2
            facts.deletes.add(name)
        elif name in walk.scope.bindings.globals:
            facts.deletes.add(name)
            if walk.body is not None:
                walk.body.stores.add(name)
    walk.visits(node.body)


def _match(walk: Walk, node: ast.Match) -> None:
    _start(walk, node)
    roots = walk.within(node.subject)
    walk.facts.mutates.update(roots)
    start = walk.assigned
    ends: list[set[str] | None] = []
    total = False
    for case in node.cases:
        walk.flow(captures(case.pattern), roots)
        ends.append(walk.branch([case], start))
        bare = case.pattern.patterns[-1] if isinstance(case.pattern, ast.MatchOr) else case.pattern
        while isinstance(bare, ast.MatchAs) and bare.pattern is not None:
            bare = bare.pattern
        total = total or (case.guard is None and isinstance(bare, ast.MatchAs))
    walk.join(ends if total else [*ends, start], start)


def _case(walk: Walk, node: ast.match_case) -> None:
    for part in ast.walk(node.pattern):
        if isinstance(part, ast.Name | ast.Constant):
            walk.visit(part)
    for name in captures(node.pattern):
        walk.store(name)
    if node.guard is not None:
        walk.visit(node.guard)
    walk.visits(node.body)


def _import(walk: Walk, node: ast.Import) -> None:
    facts = walk.facts
    for alias in node.names:
        facts.modules.add(alias.name)
        name = alias.asname or alias.name.partition(".")[0]
        facts.aliases[name] = alias.name if alias.asname else name
        walk.scope.imported.add(name)
        walk.store(name, imported=True)
        if alias.name == "__main__":
            walk.note("opaque", "opaque", "opaque `__main__`", node)


def _import_from(walk: Walk, node: ast.ImportFrom) -> None:
    facts = walk.facts
    if node.module and not node.level:
        facts.modules.add(node.module)
        if node.module == "__main__":
            walk.note("opaque", "opaque", "opaque `__main__`", node)
    for alias in node.names:
        if alias.name == "*":
            walk.charge()
            walk.note("opaque", "opaque", f"opaque `from {node.module or '.'} import *`", node)
            continue
        name = alias.asname or alias.name
        if node.module and not node.level:
            facts.aliases[name] = f"{node.module}.{alias.name}"
        walk.scope.imported.add(name)
        walk.store(name, imported=True)


def _function(walk: Walk, node: _Function) -> None:
    _start(walk, node)
    _decorated(walk, node)
    walk.visits(defaults(node.args))
    outer = type_scope(walk, node)
    if not walk.future:
        walk.visits(hints(node))
    bound = bindings(node.body, walk.walrus)
    for argument in parameters(node.args):
        bound.names.add(argument.arg)
    lazy, walk.lazy = walk.lazy, not node.decorator_list and (walk.lazy or walk.scope.kind != "class")
    called(walk, node.body, bound)
    walk.lazy = lazy
    walk.scope = outer
    walk.store(node.name)


def _decorated(walk: Walk, node: _Function | ast.ClassDef) -> None:
    """Walk the decorators: those of a library may keep what they decorate, wherever the name goes."""
    for decorator in node.decorator_list:
        walk.facts.mutates.update(walk.within(decorator))
        found = chain(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if found is not None:
            root, path = found
            discarded(walk, (root, path + DECORATES), decorator)


def type_scope(walk: Walk, node: ast.AST) -> Scope:
    """Enter the scope of the type parameters, if the node has some; return the scope to go back to."""
    outer = walk.scope
    params: list[Any] = getattr(node, "type_params", None) or []
    if params:
        found = Bindings()
        found.names = {param.name for param in params}
        walk.scope = Scope("types", outer, found)
        for param in params:
            # Bounds and defaults are evaluated when asked for, which may be now.
            walk.visits(ast.iter_child_nodes(param))
    return outer


def _class(walk: Walk, node: ast.ClassDef) -> None:
    _start(walk, node)
    _decorated(walk, node)
    outer = type_scope(walk, node)
    walk.visits(node.bases)
    walk.visits(keyword.value for keyword in node.keywords)
    # Metaclasses, `__init_subclass__` and decorators may call the methods before the name is bound.
    plain = not (node.decorator_list or node.bases or node.keywords) and all(map(passive, node.body))
    bound = bindings(node.body, walk.walrus)
    scope = Scope("class", walk.scope, bound, private=node.name)
    bound.names = {scope.mangle(name) for name in bound.names} | {"__module__", "__qualname__"}
    saved = walk.assigned, walk.base, walk.breaks, walk.dead, walk.lazy
    if walk.body is None and walk.base is None:
        walk.base = walk.assigned
    walk.scope, walk.assigned = scope, {"__module__", "__qualname__"}
    walk.breaks, walk.dead, walk.lazy = [], False, plain
    walk.depth += 1
    walk.visits(node.body)
    walk.depth -= 1
    walk.assigned, walk.base, walk.breaks, walk.dead, walk.lazy = saved
    walk.scope = outer
    if not plain:
        walk.charge()
    walk.store(node.name)


def _type_alias(walk: Walk, node: Any) -> None:
    outer = type_scope(walk, node)
    walk.visit(node.value)
    walk.scope = outer
    walk.visit(node.name)


HANDLERS.update(
    {
        ast.Expr: _expression,
        ast.Assign: _assign,
        ast.AugAssign: _augmented,
        ast.AnnAssign: _annotated,
        ast.Delete: _delete,
        ast.If: _if,
        ast.For: _for,
        ast.AsyncFor: _for,
        ast.While: _while,
        ast.Break: _break,
        ast.Continue: _leave,
        ast.Raise: _leave,
        ast.Return: _leave,
        ast.Assert: _assert,
        ast.With: _with,
        ast.AsyncWith: _with,
        ast.Try: _try,
        ast.TryStar: _try,
        ast.ExceptHandler: _handler,
        ast.Match: _match,
        ast.match_case: _case,
        ast.Import: _import,
        ast.ImportFrom: _import_from,
        ast.FunctionDef: _function,
        ast.AsyncFunctionDef: _function,
        ast.ClassDef: _class,
    }
)
if hasattr(ast, "TypeAlias"):
    HANDLERS[ast.TypeAlias] = _type_alias
