"""A shared store behind the local one: filled, filling, broken and away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strata_kernel.domain.manifest import Artifact, Blob, Manifest, Unit
from strata_kernel.errors import StoreError
from strata_kernel.store import LocalStore, Trust, open_store, tiered
from strata_kernel.store.remote import RemoteDown, RemoteStore
from strata_kernel.store.tiered import TieredStore

P, K = "ab" * 20, "cd" * 20
Machine = Callable[..., TieredStore]


def made(*named: Blob, key: str = K, created: float = 1.0) -> Manifest:
    return Manifest(P, key, {}, units=(Unit(("x",), "v", artifact=Artifact("pickle", None, named)),), created=created)


@pytest.fixture
def machine(tmp_path: Path, trust: Trust) -> Machine:
    """Return what sets up a machine with a local store of its own before the shared one."""

    def set_up(name: str, trust: Trust = trust) -> TieredStore:
        store = open_store(tmp_path / name, f"file://{tmp_path}/shared", trust)
        assert isinstance(store, TieredStore)
        store.report = pytest.fail
        return store

    return set_up


@pytest.mark.parametrize("size", [3, 2 << 20, 20 << 20])
def test_one_machine_runs_and_another_is_served(machine: Machine, size: int) -> None:
    first, second = machine("first"), machine("second")
    blob = first.put([b"a" * size])
    first.publish(made(blob))
    assert second.entries(P) == [made(blob)]
    assert second.has(blob)
    view = second.get(blob)
    assert bytes(view) == b"a" * size
    assert not view.readonly
    assert second.local.has(blob)
    assert second.local.entries(P) == []
    second.used(made(blob))
    assert second.local.entries(P) == [made(blob)]
    assert second.local.verify() == []


def test_the_newer_of_two_wins(machine: Machine) -> None:
    first, second = machine("first"), machine("second")
    second.local.publish(made(created=1.0))
    first.publish(made(created=2.0))
    first.publish(made(key="ee" * 20, created=1.5))
    assert [m.created for m in second.entries(P)] == [2.0, 1.5]


def test_another_users_manifest_is_never_used(machine: Machine) -> None:
    theirs = machine("theirs", Trust(secret=b"t" * 32))
    theirs.publish(made(theirs.put([b"abc"])))
    assert machine("mine").entries(P) == []


def test_a_blob_broken_here_comes_from_there(machine: Machine) -> None:
    store = machine("first")
    blob = store.put([b"abc"])
    store.publish(made(blob))
    path = store.local.path / "cas" / blob.hash[:2] / blob.hash[2:]
    path.chmod(0o644)
    path.write_bytes(b"abX")
    assert bytes(store.get(blob)) == b"abc"
    assert path.read_bytes() == b"abc"


@pytest.mark.parametrize("size", [3, 20 << 20])
def test_a_blob_broken_there_is_a_miss_and_is_stored_again(machine: Machine, tmp_path: Path, size: int) -> None:
    first = machine("first")
    blob = first.put([b"a" * size])
    first.publish(made(blob))
    path = tmp_path / "shared" / "cas" / blob.hash[:2] / blob.hash[2:]
    path.write_bytes(b"b" + b"a" * (size - 1))
    second = machine("second")
    with pytest.raises(StoreError, match="corrupt"):
        second.get(blob)
    assert not path.exists()
    machine("first").publish(made(blob))
    assert bytes(second.get(blob)[:1]) == b"a"


def test_publishing_what_only_the_other_side_holds(machine: Machine) -> None:
    first, second = machine("first"), machine("second")
    blob = first.put([b"abc"])
    first.publish(made(blob))
    second.publish(made(blob, key="ee" * 20))
    assert second.local.has(blob)
    with pytest.raises(StoreError):
        second.publish(made(Blob("0" * 64, 1)))


def test_being_offline_costs_one_warning_and_nothing_else(tmp_path: Path, trust: Trust, monkeypatch: Any) -> None:
    remote, told, calls = RemoteStore("memory://away", trust), [], []

    class Away:
        protocol = "memory"

        def __getattr__(self, name: str) -> Any:
            def fail(*_: object, **__: object) -> None:
                calls.append(name)
                raise RuntimeError("EndpointConnectionError:\nno route")

            return fail

    remote._fs = Away()
    store = TieredStore(LocalStore(tmp_path / "store", trust), remote, told.append)
    for turn in range(5):
        blob = store.put([b"%d" % turn])
        store.publish(made(blob, key=f"{turn:040x}"))
        assert len(store.entries(P)) == turn + 1
        assert bytes(store.get(blob)) == b"%d" % turn
    assert len(told) == 2
    assert all("no route" in text and "\n" not in text for text in told)
    assert len(calls) <= 4
    with pytest.raises(StoreError, match="no blob"):
        store.get(Blob("0" * 64, 1))
    store.discard(made(key=f"{0:040x}"))
    with pytest.raises(RemoteDown):
        store.check()
    # Back again: what is published next travels.
    remote._fs = None
    monkeypatch.setattr(tiered, "PAUSE", 0.0)
    store._paused.clear()
    store.publish(made(blob))
    assert RemoteStore("memory://away", trust).entries(P) == [made(blob)]


def test_a_file_system_that_does_not_exist(tmp_path: Path, trust: Trust) -> None:
    told: list[str] = []
    store = open_store(tmp_path / "store", "nosuch://x/y", trust)
    assert isinstance(store, TieredStore)
    store.report = told.append
    store.publish(made(store.put([b"a"])))
    assert len(store.entries(P)) == 1
    assert len(told) == 2
    assert "nosuch" in told[0]


def test_a_full_disk_here_does_not_hide_what_is_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = machine("first"), machine("second")
    blob = first.put([b"abc"])
    first.publish(made(blob))

    def full(*_: object) -> None:
        raise StoreError("cannot write: No space left on device")

    monkeypatch.setattr(second.local, "put", full)
    assert bytes(second.get(blob)) == b"abc"


def test_the_other_side_is_asked_once_a_minute(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    store = machine("first")
    assert store.entries(P) == []
    monkeypatch.setattr(store.remote, "entries", pytest.fail)
    assert store.entries(P) == []
    store.publish(made())
    assert store.entries(P) == [made()]


def test_fsspec_is_loaded_when_the_other_side_is_asked() -> None:
    code = (
        "import sys; from pathlib import Path; from strata_kernel.store import open_store, Trust;"
        "open_store(Path('/nonexistent/x'), 's3://b/x', Trust(secret=b's' * 32)); print('fsspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
