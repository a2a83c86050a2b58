"""A fresh local store with a secret of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from strata_kernel.store import LocalStore, Trust


@pytest.fixture
def trust() -> Trust:
    return Trust(secret=b"s" * 32)


@pytest.fixture
def store(tmp_path: Path, trust: Trust) -> LocalStore:
    return LocalStore(tmp_path / "store", trust)
