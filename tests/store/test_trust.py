"""The user's secret: made once, kept private, never weakened in silence."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_kernel.errors import StoreError, TrustError
from strata_kernel.store import Trust, open_store
from strata_kernel.store.trust import ENVIRONMENT, secret_file


def test_the_first_use_makes_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "secret"
    assert Trust(path).secret() == Trust(path).secret() == path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [child.name for child in path.parent.iterdir()] == ["secret"]
    assert len(path.read_bytes()) == 32


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "mine"))
    assert secret_file() == tmp_path / "mine"
    monkeypatch.delenv(ENVIRONMENT)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert secret_file() == tmp_path / "strata" / "secret"


def test_processes_that_race_get_one_secret(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from strata_kernel.store import Trust; sys.stdin.read(1); print(Trust(Path(sys.argv[1])).secret().hex())"
    path = tmp_path / "secret"
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in racing:
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
    assert {process.communicate()[0].strip() for process in racing} == {path.read_bytes().hex()}
    assert [child.name for child in tmp_path.iterdir()] == ["secret"]


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "secret"
    assert Trust(path).secret() == path.read_bytes()
    store = open_store(tmp_path / "store", trust=Trust(path))
    blob = store.put([bytes(2 << 20)])
    assert store.put(iter([bytes(2 << 20)])) == blob
    assert bytes(store.get(blob)[:2]) == b"\0\0"
    assert store.local.verify() == []


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = Trust(path).secret()
    path.chmod(0o644)
    assert Trust(path).secret() == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o620)
    with pytest.raises(StoreError, match="written by others"):
        open_store(tmp_path / "store", trust=Trust(path))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_the_secret_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    Trust(path).secret()
    os.chown(path, 12345, 12345)
    with pytest.raises(StoreError, match="another user"):
        Trust(path).secret()


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_what_is_not_a_secret(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="delete it"):
        Trust(path).secret()


def test_where_none_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    trust = Trust(tmp_path / "file" / "secret")
    with pytest.raises(StoreError, match="cannot use the secret"):
        open_store(tmp_path / "store", trust=trust)
    store = open_store(tmp_path / "store", trust=trust, check=False)
    blob = store.put([bytes(2 << 20)])
    assert store.get(blob).nbytes == 2 << 20
    assert store.entries("ab" * 20) == []


@given(body=st.binary(max_size=100), other=st.binary(max_size=100), secret=st.binary(min_size=32, max_size=32))
def test_a_mac_is_of_one_body_one_secret_and_one_purpose(body: bytes, other: bytes, secret: bytes) -> None:
    trust = Trust(secret=secret)
    mac = trust.sign(body)
    trust.verify(body, mac)
    assert trust.valid(other, mac) == (other == body)
    assert Trust(secret=b"k" * 32).valid(body, mac) == (secret == b"k" * 32)
    for wrong in ("", mac[:-1], mac.upper() + "x", mac + "é", trust.sign(body, "seal")):
        with pytest.raises(TrustError):
            trust.verify(body, wrong)
