"""Where things lie in a store: one tree on a local disk, on NFS or in an object store.

    cas/ab/cdef…             blob, named by the BLAKE3 of its bytes (64 hex characters), mode 0444, never rewritten
    ac/PP/P…/K….json         one manifest per (program, key): {"mac": …, "body": …}; its mtime is its last use
    refs/pins/P…-K…          an empty file that keeps a manifest from being collected
    refs/leases/PID-…        a running kernel: {"pid", "host", "start"}; its mtime is its heartbeat
    refs/stat/abcdef…        how a large blob's file looked when its bytes were last proved right, with a MAC
    tmp/                     same file system, for write-then-rename

Files are the truth; there is no index. Everything under `refs/stat` and `tmp` can be deleted at any time.
"""

from __future__ import annotations

import re

from strata_kernel.errors import StoreError

CAS, AC, PINS, LEASES, SEALS, TMP = "cas", "ac", "refs/pins", "refs/leases", "refs/stat", "tmp"
SUFFIX = ".json"

_HASH = re.compile(r"[0-9a-f]{64}")
#: Keys are digests; what else a caller uses must not be able to leave its directory.
_TOKEN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,199}")


def blob_path(digest: str) -> str:
    """Return the path of a blob relative to the store."""
    _check_hash(digest)
    return f"{CAS}/{digest[:2]}/{digest[2:]}"


def seal_path(digest: str) -> str:
    """Return the path of the record that says a large blob was verified."""
    _check_hash(digest)
    return f"{SEALS}/{digest}"


def program_path(program: str) -> str:
    """Return the directory that holds the manifests of a program."""
    _check_token(program)
    return f"{AC}/{program[:2]}/{program}"


def manifest_path(program: str, key: str) -> str:
    """Return the path of the manifest of (program, key)."""
    _check_token(key)
    return f"{program_path(program)}/{key}{SUFFIX}"


def pin_path(program: str, key: str) -> str:
    """Return the path of the pin of (program, key)."""
    _check_token(program)
    _check_token(key)
    return f"{PINS}/{program}-{key}"


def _check_hash(digest: str) -> None:
    if not _HASH.fullmatch(digest):
        raise StoreError(f"not a blob name: {digest[:80]!r}")


def _check_token(token: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise StoreError(f"not a program or key: {token[:80]!r}")
