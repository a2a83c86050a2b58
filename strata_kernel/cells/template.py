"""The template of a prompt: a small part of Jinja, checked before anything of it is evaluated."""

from __future__ import annotations

from functools import lru_cache

import msgspec

#: Methods of frames that may be called: they change nothing, and `sample` wants a seed.
METHODS = frozenset({"head", "tail", "describe", "sample", "to_markdown"})
FILTERS = frozenset({
    "abs", "capitalize", "default", "first", "float", "int", "join", "last", "length", "list", "lower", "max", "min",
    "replace", "reverse", "round", "sort", "sum", "title", "tojson", "trim", "unique", "upper", "wordcount",
})  # fmt: skip
_NODES = frozenset({
    "Template", "Output", "TemplateData", "Name", "Const", "Getattr", "Getitem", "Slice", "Call", "Keyword", "Filter",
    "For", "If", "Test", "Compare", "Operand", "And", "Or", "Not", "Neg", "CondExpr", "List", "Tuple",
})  # fmt: skip


class Template(msgspec.Struct, frozen=True):
    """A template as it was read: the names that it takes from the notebook, or what is wrong with it and where."""

    reads: frozenset[str] = frozenset()
    error: str = ""
    line: int = 0


@lru_cache(maxsize=512)
def read(text: str) -> Template:
    """Read a template; never raises."""
    from jinja2 import Environment, TemplateError, meta, nodes

    try:
        tree = Environment().parse(text)
        reads = frozenset(meta.find_undeclared_variables(tree))
    except TemplateError as error:
        return Template(error=str(error.message), line=getattr(error, "lineno", 0) or 0)
    except (RecursionError, MemoryError, ValueError, OverflowError):
        return Template(error="it nests too deep to be read")
    try:
        for node in (tree, *tree.find_all(nodes.Node)):
            if (wrong := _wrong(node)) is not None:
                return Template(reads, wrong, node.lineno or 0)
    except RecursionError:
        return Template(error="it nests too deep to be read")
    return Template(reads)


def _wrong(node: object) -> str | None:
    from jinja2 import nodes

    kind = type(node).__name__
    if kind not in _NODES:
        return f"{kind.lower()} is not part of a prompt's grammar: compute it in a Python cell and use its name"
    match node:
        case nodes.Getattr() if node.attr.startswith("_"):
            return f"the attribute {node.attr!r} is private"
        case nodes.Call() if not isinstance(node.node, nodes.Getattr) or node.node.attr not in METHODS:
            known = ", ".join(sorted(METHODS))
            return f"calls are only those of frames: {known}; compute the rest in a Python cell"
        case nodes.Call() if node.dyn_args is not None or node.dyn_kwargs is not None:
            return "calls take plain arguments"
        case nodes.Filter() if node.name not in FILTERS:
            return f"there is no filter {node.name!r}"
    return None
