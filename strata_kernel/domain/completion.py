"""What can stand where the cursor is in a directive."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from strata_kernel.domain.directive_grammar import NAMES

#: The part of a line before the cursor: a directive's name that is being typed, or a value with the words before it.
_NAME = re.compile(r"[ \t]*#[ \t]*@(\w*)")
_VALUE = re.compile(r"[ \t]*#[ \t]*@(\w+)[ \t]+((?:\S+[ \t]+)*)(\S*)")

#: What a directive's value may be, by name; other names come from the notebook and its settings.
WORDS: Mapping[str, tuple[str, ...]] = {
    "cache": ("off", "frozen", "forever", "session", "ttl=", "snapshot"),
    "deps": ("file:", "env:", "dist:"),
    "loop": ("max_iter=", "carry=", "start_from="),
    "output": ("text", "json"),
    "sql": ("connection=", "write=true"),
    "worker": ("local",),
}


def complete(source: str, cursor: int, known: Mapping[str, Collection[str]]) -> tuple[list[str], int] | None:
    """Return what can stand at the cursor, and where that begins; None outside of directives.

    `known` are names by the directive that takes them: `worker`, `after`, `variant`, `sql`.
    """
    begin = max(source.rfind("\n", 0, cursor), source.rfind("\r", 0, cursor)) + 1
    above, here = source[:begin], source[begin:cursor]
    if any(line.strip() and not line.lstrip().startswith(("#", "%%")) for line in above.splitlines()):
        return None
    if (match := _NAME.fullmatch(here)) is not None:
        return [name for name in NAMES if name.startswith(match[1])], cursor - len(match[1])
    if (match := _VALUE.fullmatch(here)) is None:
        return None
    name, word = match[1].lower(), match[3]
    if name == "mount":
        words: tuple[str, ...] = ("ro", "rw") if len(match[2].split()) == 2 else ()
    elif name == "sql":
        words = (*WORDS["sql"], *(f"connection={n}" for n in sorted(known.get("sql", ()))))
    else:
        words = (*WORDS.get(name, ()), *sorted(known.get(name, ())))
    return [w for w in dict.fromkeys(words) if w.startswith(word)], cursor - len(word)
