"""What is remembered of a mount: facts whose digests say what was looked at, and how it was told apart."""

from __future__ import annotations

from collections.abc import Iterable

from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Fact

#: How the digest of a fact begins: an object by what its file system says of it, or by its bytes; whether something is
#: a folder; the names in a folder, or at any depth below it; everything below it.
SIGN, CONTENT, FOLDER, NAMES, BELOW, ALL = "sign:", "content:", "folder", "names:", "below:", "all:"
ABSENT = "absent"


def object_fact(address: str, options: str, sign: str, content: str = "", stat: tuple[int, ...] = ()) -> Fact:
    """Return the fact that an object is what its sign says; where bytes are at hand, they decide, and `stat` spares."""
    if content:
        return Fact("mount", address, CONTENT + content, stat)
    return Fact("mount", address, SIGN + digest(options, sign))


def names_fact(address: str, options: str, names: Iterable[tuple[str, bool]], begin: str = NAMES) -> Fact:
    """Return the fact that these names, and no others, stand in a folder; True are folders."""
    return Fact("mount", address, begin + digest(options, sorted(names)))


def all_fact(address: str, options: str, signs: Iterable[tuple[str, str]]) -> Fact:
    """Return the fact about a folder with too many files to name each."""
    return Fact("mount", address, ALL + digest(options, sorted(signs)))


def say(fact: Fact) -> str:
    """Say in words that a fact about a mount does not hold."""
    if fact.digest == ABSENT:
        return f"{fact.name} appeared"
    if fact.digest.startswith((NAMES, BELOW)):
        return f"the files in {fact.name} are others, or it cannot be reached"
    if fact.digest.startswith(ALL):
        return f"something in {fact.name} changed, or it cannot be reached"
    return f"{fact.name} changed, or cannot be reached"
