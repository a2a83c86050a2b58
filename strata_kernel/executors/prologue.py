"""The line of ours in a cell that goes to an executor: definitions and imports from above, and who keeps the rest."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from strata_kernel.domain.manifest import Unit
from strata_kernel.executors import aboard

#: The names under which what is ours travels.
GIVEN, KEPT = "strata_given", "strata_kept"
#: Where tracebacks tell a line of a cell.
_LINE = re.compile(r'((?:Cell In ?\[\d+\]|File "<[^">]*>"), line )(\d+)')
#: How IPython shows the lines around one.
_AROUND = re.compile(r"^( +|-+> )(\d+)(?= |$)", re.MULTILINE)


def source_of(unit: Unit) -> dict[str, Any] | None:
    """Return how a definition is made again."""
    artifact = unit.artifact
    if artifact is None or artifact.codec != "source":
        return None
    return msgspec.json.decode(artifact.inline or b"", type=dict[str, Any])


def in_order(definitions: Mapping[str, Unit]) -> list[tuple[str, str]]:
    """Return definitions by name and source, each after those that its statement evaluates."""
    found: dict[str, str] = {}

    def add(name: str) -> None:
        source = source_of(definitions[name])
        if source is None or name in found:
            return
        for other in sorted(source["evaluates"].keys() & definitions.keys() - {name}):
            add(other)
        found[name] = source["text"]

    for name in sorted(definitions):
        add(name)
    return list(found.items())


def with_ours(source: str, given: dict[str, Any]) -> tuple[str, int]:
    """Return the cell with one line of ours in it, and the number of lines before that one."""
    text = inspect.getsource(aboard)
    ours = (
        f"{KEPT} = (lambda m: exec({text!r}, m) or m['embark'](globals(), {given!r}))({{'__name__': 'strata_aboard'}})"
    )
    after = _future(source)
    lines = source.splitlines(keepends=True)
    head = "".join(lines[:after])
    return (
        f"{head}{'' if head.endswith(chr(10)) or not head else chr(10)}{KEPT} = {ours}\n{''.join(lines[after:])}",
        after,
    )


def _future(source: str) -> int:
    """Return the last line of the statements that must come first."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return 0
    last = 0
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            last = statement.end_lineno or 0
        elif statement.lineno <= last:
            last = max(last, statement.end_lineno or 0)
    return last


def moved(lines: list[str], after: int) -> list[str]:
    """Return a traceback with the numbers that the lines have in the cell."""

    def number(found: re.Match[str]) -> str:
        count = int(found[2])
        return f"{found[1]}{count - 1 if count > after else count}"

    ipython = any("Cell In" in line for line in lines)
    found = [_LINE.sub(number, line) for line in lines if KEPT not in line]
    return [_AROUND.sub(number, line) for line in found] if ipython else found
