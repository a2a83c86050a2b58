"""An injective encoding of syntax trees that leaves out everything a run cannot see."""

from __future__ import annotations

import ast
from typing import Any

#: Fields that carry no meaning: `ctx` follows from the position, `kind` is the u prefix of a string.
_SILENT = frozenset({"ctx", "type_comment", "kind", "type_ignores"})

_fields: dict[type[ast.AST], tuple[str, tuple[str, ...]]] = {}


def canonical(tree: ast.AST | list[Any]) -> bytes:
    """Return bytes that are equal exactly when the trees are: positions, comments and layout aside.

    The encoding is a prefix code (every class has a fixed list of fields, every text its length), so it is injective.
    It is iterative because a long `1 + 1 + ...` nests deeper than the interpreter's stack.
    """
    out: list[str] = []
    emit = out.append
    stack: list[Any] = [tree]
    pop, push = stack.pop, stack.extend
    while stack:
        value = pop()
        kind = value.__class__
        if kind is str:
            emit(f"s{len(value)}:{value}")
        elif value is None:
            emit("N")
        elif kind is list:
            emit(f"[{len(value)}:")
            push(value[::-1])
        elif kind is ast.Constant:
            emit("Constant(")
            stack.append(value.value)
        elif isinstance(value, ast.AST):
            head, names = _fields.get(kind) or _learn(kind)
            emit(head)
            push([getattr(value, name, None) for name in names])
        else:
            emit(_constant(value))
    return "".join(out).encode("utf-8", "surrogatepass")


def _learn(kind: type[ast.AST]) -> tuple[str, tuple[str, ...]]:
    names = tuple(name for name in reversed(kind._fields) if name not in _SILENT)
    known = _fields[kind] = (kind.__name__ + "(", names)
    return known


def _constant(value: object) -> str:
    match value:
        case None:
            return "N"
        case bool():
            return "T" if value else "F"
        case int():
            return f"i{value:x};"
        case float():
            return f"f{value.hex()};"
        case complex():
            return f"j{value.real.hex()},{value.imag.hex()};"
        case str():
            return f"s{len(value)}:{value}"
        case bytes():
            return f"b{len(value)}:{value.decode('latin-1')}"
        case tuple():
            return f"({len(value)}:" + "".join(map(_constant, value))
        case frozenset():
            return f"{{{len(value)}:" + "".join(sorted(map(_constant, value)))
        case _ if value is Ellipsis:
            return "E"
        case _:
            raise TypeError(f"no constant of a syntax tree: {value!r}")
