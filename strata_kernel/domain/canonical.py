"""An injective encoding of syntax trees that leaves out everything a run cannot see."""

from __future__ import annotations

import ast
from collections.abc import Callable
from operator import attrgetter
from typing import Any

#: Fields that carry no meaning: `ctx` follows from the position, `kind` is the u prefix of a string.
_SILENT = frozenset({"ctx", "type_comment", "kind", "type_ignores"})

_Fields = Callable[[Any], tuple[Any, ...]]
_known: dict[type[ast.AST], tuple[str, _Fields]] = {}


def canonical(tree: ast.AST | list[Any]) -> bytes:
    """Return bytes that are equal exactly when the trees are: positions, comments and layout aside.

    The encoding is a prefix code (every class has a fixed list of fields, every text its length), so it is injective.
    It is iterative because a long `1 + 1 + ...` nests deeper than the interpreter's stack.
    """
    out: list[str] = []
    emit = out.append
    stack: list[Any] = [tree]
    pop, push, known = stack.pop, stack.extend, _known
    while stack:
        value = pop()
        kind = value.__class__
        if kind is ast.Name:
            name = value.id
            emit(f"Name({len(name)}:{name}")
        elif kind in known:
            head, fields = known[kind]
            emit(head)
            push(fields(value))
        elif kind is str:
            emit(f"s{len(value)}:{value}")
        elif value is None:
            emit("N")
        elif kind is list:
            emit(f"[{len(value)}:")
            push(value[::-1])
        elif isinstance(value, ast.AST):
            known[kind] = (kind.__name__ + "(", _fields(kind))
            stack.append(value)
        else:
            emit(_constant(value))
    return "".join(out).encode("utf-8", "surrogatepass")


def _fields(kind: type[ast.AST]) -> _Fields:
    """Return what gives the meaningful fields of a node, the last one first."""
    names = [name for name in reversed(kind._fields) if name not in _SILENT]

    def one_by_one(node: Any) -> tuple[Any, ...]:
        return tuple([getattr(node, name, None) for name in names])

    if len(names) < 2:
        return one_by_one
    together = attrgetter(*names)

    def at_once(node: Any) -> tuple[Any, ...]:
        try:
            found: tuple[Any, ...] = together(node)
            return found
        except AttributeError:
            return one_by_one(node)

    return at_once


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
