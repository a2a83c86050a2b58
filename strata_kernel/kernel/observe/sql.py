"""Files that a DuckDB statement names."""

from __future__ import annotations

import re

_LITERAL = re.compile(
    r"--[^\n]*|/\*.*?\*/|(?P<before>\b(?:TO|ATTACH|DATABASE(?:\s+IF\s+NOT\s+EXISTS)?|EXPORT\s+DATABASE)\s+)?"
    r"(?:'(?P<single>(?:[^']|'')*)'|\"(?P<double>(?:[^\"]|\"\")*)\")",
    re.IGNORECASE | re.DOTALL,
)


def named_files(statement: str) -> list[tuple[str, str]]:
    """Return (mode, text) of quoted texts: "r" may be a file read, "w" a target of COPY, "u" a database attached."""
    found = []
    for match in _LITERAL.finditer(statement):
        single, double = match["single"], match["double"]
        text = single.replace("''", "'") if single is not None else (double or "").replace('""', '"')
        if not text or len(text) > 4096 or "\n" in text:
            continue
        before = (match["before"] or "").split()
        word = before[0].upper() if before else ""
        found.append(({"TO": "w", "EXPORT": "w"}.get(word, "u" if word else "r"), text))
    return found
