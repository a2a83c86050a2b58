"""What can stand where the cursor is in a query: tables, and columns of those that the query names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from strata_kernel.cells.sql import is_sql, take_apart

#: What is being typed, with what it belongs to; behind a colon it is a bind, which is a variable of the notebook.
_WORD = re.compile(r"(?P<bind>(?<![:\w]):)?(?:(?P<owner>[^\W\d]\w*|\"[^\"\n]+\")[ ]*\.[ ]*)?(?P<word>\"?[\w$]*)\Z")
_PLAIN = re.compile(r"[^\W\d]\w*")


def asked(source: str, cursor: int) -> str | None:
    """Return the connection of the query that the cursor is in; None outside of a query."""
    if not is_sql(source):
        return None
    found = take_apart(source, {})
    return found.connection if cursor >= len(source) - len(found.text) else None


def offers(source: str, cursor: int, tables: Mapping[str, Iterable[str]]) -> tuple[list[str], int] | None:
    """Return what can stand at the cursor, and where that begins; None where no table or column can."""
    text = take_apart(source, {}).text
    match = _WORD.search(source, len(source) - len(text), cursor)
    if match is None or match["bind"] or match["word"][:1].isdigit():
        return None
    word, owner = match["word"].strip('"').lower(), (match["owner"] or "").strip('"').lower()
    if owner:
        named = _behind(owner, text, tables)
        found = [c for t in named for c in tables[t]]
        # A table of another schema is known with its schema.
        found += [t[len(owner) + 1 :] for t in tables if t.lower().startswith(owner + ".")]
    else:
        named = [t for t in tables if re.search(rf"(?<![\w.]){re.escape(t)}(?!\w)", text, re.IGNORECASE)]
        found = [*tables, *(c for t in named for c in tables[t])]
    wanted = [name for name in dict.fromkeys(found) if name.lower().startswith(word)]
    return [_written(name) for name in wanted], match.start("word")


def _behind(owner: str, text: str, tables: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the tables that a name stands for: its own, or what the query calls so."""
    called = [
        t
        for t in tables
        if re.search(rf"(?<![\w.])\"?{re.escape(t)}\"?\s+(?:AS\s+)?{re.escape(owner)}(?!\w)", text, re.IGNORECASE)
    ]
    return called or [t for t in tables if t.lower() == owner or t.lower().endswith("." + owner)]


def _written(name: str) -> str:
    """Return a name as a query writes it."""
    return name if all(_PLAIN.fullmatch(part) for part in name.split(".")) else '"' + name.replace('"', '""') + '"'
