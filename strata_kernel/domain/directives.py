"""Directives: the `# @name value` lines at the head of a cell, parsed with their places, never raising."""

from __future__ import annotations

import re

import msgspec

from strata_kernel.domain.diagnostic import Diagnostic, nearest
from strata_kernel.domain.directive_grammar import NAMES, PARSERS, REPEATABLE, Draft, duration
from strata_kernel.domain.directive_values import CachePolicy, Declared, Item, Loop, Mount, Sql, TableInput

__all__ = [
    "NAMES",
    "CachePolicy",
    "Declared",
    "Diagnostic",
    "Directives",
    "Item",
    "Loop",
    "Mount",
    "Sql",
    "TableInput",
    "duration",
    "parse",
]

_LINE = re.compile(r"[ \t]*#[ \t]*(?P<at>@)(?P<name>[A-Za-z_]\w*)(?P<rest>.*)", re.DOTALL)
_NEWLINE = re.compile(r"\r\n|\r|\n")


class Directives(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that the head of one cell says; `magic` is its `%%` line, `items` the directives in their order."""

    name: str | None = None
    worker: str | None = None
    timeout: float | None = None
    env: dict[str, str] = {}
    mounts: tuple[Mount, ...] = ()
    cache: CachePolicy | None = None
    deps: tuple[Declared, ...] = ()
    after: tuple[str, ...] = ()
    loop: Loop | None = None
    loop_until: str | None = None
    variant: tuple[str, str] | None = None
    per_variant: str | None = None
    tables: tuple[TableInput, ...] = ()
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    system: tuple[str, ...] = ()
    output: str | None = None
    output_schema: str | None = None
    validate_retries: int | None = None
    sql: Sql | None = None
    magic: str | None = None
    items: tuple[Item, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def parse(source: str) -> Directives:
    """Parse the head of a cell: blank and comment lines, after the `%%` line where there is one."""
    magic, items = _head(source)
    draft = Draft(magic, items)
    for item in items:
        if item.name not in PARSERS:
            guess = nearest(item.name, NAMES)
            hint = f"; did you mean @{guess}?" if guess else ""
            draft.report(
                item, "directive_unknown", f"unknown directive @{item.name}{hint}", f"@{guess}" if guess else None
            )
        elif item.value and item.value_column == item.column + len(item.name) + 1:
            draft.malformed(
                item, f"put a blank between @{item.name} and its value", f"@{item.name} {item.value[1:].strip()}"
            )
        else:
            if item.name not in REPEATABLE and item.name in draft.seen:
                draft.report(item, "directive_repeated", f"@{item.name} stands twice; the last one holds")
            draft.seen.add(item.name)
            PARSERS[item.name](draft, item)
    draft.finish()
    return Directives(magic=magic, items=items, diagnostics=tuple(draft.diagnostics), **draft.fields)


def _head(source: str) -> tuple[str | None, tuple[Item, ...]]:
    magic: str | None = None
    items: list[Item] = []
    commented = False
    for number, line in enumerate(_NEWLINE.split(source), 1):
        text = line.strip()
        if not text:
            continue
        if not text.startswith("#"):
            if text.startswith("%%") and not commented:  # `%%time` over `%%capture` is one head
                magic = magic or text
                continue
            break
        commented = True
        if (match := _LINE.fullmatch(line)) is None:
            continue
        name, rest = match["name"].lower(), match["rest"]
        # A decorator that was commented out, `# @app.route("/")`, is no directive.
        if rest[:1] in ("", " ", "\t") or (rest[0] in "=:" and name in PARSERS):
            value = rest.strip()
            start = match.start("rest") + len(rest) - len(rest.lstrip())
            begin = start if value else match.end("name")
            items.append(Item(name, value, number, match.start("at"), begin, begin + len(value)))
    return magic, tuple(items)
