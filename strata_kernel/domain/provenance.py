"""The one key: what identifies a run, and the versions of what it wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import FORMAT, Fact


def program(*, code: str, directives: Mapping[str, str], python: str, worker: str, session: str = "") -> str:
    """Return P: the run's code and everything fixed before it starts, `python` being the minor version."""
    return digest("program", FORMAT, code, dict(directives), python, worker, session)


def part(*, program: str, part: str) -> str:
    """Return P of a part of a cell that is keyed on its own, such as one pass of a loop."""
    return digest("part", FORMAT, program, part)


def key(*, program: str, reads: Mapping[str, str], facts: Iterable[Fact] = ()) -> str:
    """Return K: the program with the version of every unit and the digest of every fact that the run depended on."""
    seen = sorted((f.kind, f.name, f.digest) for f in facts)
    return digest("key", program, dict(reads), seen)


def version(*, key: str, names: Iterable[str], nonce: str = "") -> str:
    """Return V: the version of a unit that the run with this key wrote; a nonce tells apart runs that may differ."""
    return digest("version", key, sorted(names), nonce)


def imported(*, module: str, attribute: str | None, facts: Iterable[Fact]) -> str:
    """Return the version of an imported name: where it comes from, and the distributions or sources behind it."""
    seen = sorted((f.kind, f.name, f.digest) for f in facts)
    return digest("import", module, attribute, seen)


def defined(*, code: str, evaluates: Mapping[str, str], facts: Iterable[Fact] = ()) -> str:
    """Return the version of a definition: its own code and the versions of what its statement evaluates."""
    seen = sorted((f.kind, f.name, f.digest) for f in facts)
    return digest("definition", code, dict(evaluates), seen)
