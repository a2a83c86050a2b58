"""What is wrong with something the user wrote, with its place and, where there is one, the likely cure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "info"]


class Diagnostic(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding. Lines count from 1; columns count characters from 0, `end` is exclusive; line 0 has no place."""

    code: str
    message: str
    severity: Severity = "warning"
    line: int = 0
    column: int = 0
    end: int = 0
    cell: str | None = None
    suggestion: str | None = None


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that was probably meant, or None."""
    from difflib import get_close_matches  # only the unlucky pay for it

    folded = {c.lower(): c for c in candidates}
    match = get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[match[0]] if match else None
