"""Where manifests and blobs are kept: `open_store` is the way in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from strata_kernel.store.local import LocalStore
from strata_kernel.store.trust import Trust

if TYPE_CHECKING:
    from strata_kernel.store.tiered import TieredStore

__all__ = ["LocalStore", "Trust", "open_store"]


def open_store(
    path: Path, remote: str | None = None, trust: Trust | None = None, *, check: bool = True
) -> LocalStore | TieredStore:
    """Return the store in a directory, with a shared one behind it when `remote` is an fsspec URL.

    With `check`, raise StoreError when the directory exists and cannot be read or when the user's secret is unusable;
    a kernel passes False and meets misses instead.
    """
    local = LocalStore(path, trust)
    if check:
        local.check()
    if not remote:
        return local
    from strata_kernel.store.remote import RemoteStore
    from strata_kernel.store.tiered import TieredStore

    return TieredStore(local, RemoteStore(remote, local.trust))
