"""Collections: what goes, what stays, and that they are safe at any time."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata_kernel.domain.manifest import Artifact, Blob, Manifest, Unit
from strata_kernel.errors import StoreError
from strata_kernel.store import LocalStore, Trust
from strata_kernel.store.blobs import look
from strata_kernel.store.gc import collect
from strata_kernel.store.lease import Holder
from strata_kernel.store.record import blobs_of

P = "ab" * 20
HOUR = 3600.0


def made(number: int, *named: Blob) -> Manifest:
    return Manifest(P, f"{number:040x}", {}, units=(Unit(("x",), "v", artifact=Artifact("pickle", None, named)),))


def age(store: LocalStore, hours: float) -> None:
    """Make everything that is there so much older."""
    for path in store.path.rglob("*"):
        if path.is_file() and "leases" not in path.parts:
            before = path.stat().st_mtime
            os.utime(path, (before - hours * HOUR, before - hours * HOUR))


def fill(store: LocalStore, count: int, size: int = 10_000) -> list[Manifest]:
    """Publish so many manifests, the first one used longest ago."""
    found = []
    for number in range(count):
        found.append(made(number, store.put([bytes([number]) * size])))
        store.publish(found[-1])
        path = store.path / "ac" / "ab" / P / f"{found[-1].key}.json"
        os.utime(path, (path.stat().st_mtime - 100 + number,) * 2)
    age(store, 2)
    return found


def keys(store: LocalStore, trust: Trust) -> list[int]:
    return sorted(int(m.key, 16) for m in LocalStore(store.path, trust).entries(P))


def test_the_least_recently_used_go_first(store: LocalStore, trust: Trust) -> None:
    manifests = fill(store, 5)
    store.actions._used.clear()
    store.used(manifests[0])
    report = collect(store, 25_000)
    assert keys(store, trust) == [0, 4]
    assert (report.manifests, report.blobs, report.kept_manifests) == (3, 3, 2)
    assert report.kept_bytes <= 25_000
    assert report.freed > 30_000
    assert store.stats().blob_bytes == 20_000
    assert collect(store, 25_000).manifests == 0


def test_what_is_young_stays(store: LocalStore) -> None:
    blob = store.put([b"waiting for its manifest"])
    (store.path / "tmp" / "half").write_bytes(b"x")
    assert collect(store, 0).blobs == 0
    assert store.has(blob)
    age(store, 2)
    report = collect(store, 0)
    assert (report.blobs, report.temporary) == (1, 1)
    assert not store.has(blob)


def test_a_shared_blob_stays_with_its_last_manifest(store: LocalStore, trust: Trust) -> None:
    blob = store.put([b"a" * 50_000])
    for number in range(3):
        store.publish(made(number, blob))
    age(store, 2)
    assert collect(store, 55_000).manifests == 0
    store.pin(made(1, blob))
    collect(store, 0)
    assert keys(store, trust) == [1]
    assert store.has(blob)
    store.unpin(made(1, blob))
    collect(store, 0)
    assert keys(store, trust) == []
    assert not store.has(blob)
    assert not (store.path / "ac" / "ab").exists()


def test_a_live_lease_holds_what_is_not_named_yet(store: LocalStore) -> None:
    with store.lease() as lease:
        lease._start -= 5 * HOUR
        lease._write()
        blob = store.put([b"a"])
        age(store, 2)
        collect(store, 0)
        assert store.has(blob)
        age(store, 4)
        collect(store, 0)
        assert not store.has(blob)


def test_a_dead_lease_holds_nothing(store: LocalStore) -> None:
    leases = store.path / "refs" / "leases"
    store.lease()
    start = time.time() - 5 * HOUR
    for path in leases.iterdir():
        path.write_bytes(msgspec.json.encode(Holder(4194999, os.uname().nodename, start)))
    (leases / "elsewhere").write_bytes(msgspec.json.encode(Holder(1, "another", start)))
    (leases / "torn").write_text("{")
    blob = store.put([b"a"])
    age(store, 2)
    collect(store, 0)
    assert store.has(blob)
    assert [path.name for path in leases.iterdir()] == ["elsewhere"]
    os.utime(leases / "elsewhere", (time.time() - 2 * HOUR,) * 2)
    collect(store, 0)
    assert not store.has(blob)
    assert not list(leases.iterdir())


def test_a_live_lease_holds_what_was_used_within_the_hour(store: LocalStore, trust: Trust) -> None:
    fill(store, 3)
    lease = store.lease()
    lease._start -= 9 * HOUR
    lease._write()
    store.actions._used.clear()
    store.used(made(1))
    collect(store, 0)
    assert keys(store, trust) == [1]
    lease.release()
    collect(store, 0)
    assert keys(store, trust) == []


def test_a_blob_that_is_put_again_is_young_again(store: LocalStore, trust: Trust) -> None:
    for content in (b"a", bytes(2 << 20)):
        blob = store.put([content])
        age(store, 2)
        LocalStore(store.path, trust).put([content])
        collect(store, 0)
        assert store.has(blob)
        age(store, 2)
        store.publish(made(1, blob))
        store.discard(made(1, blob))
        collect(store, 0)
        assert store.has(blob)


def test_the_proof_of_a_large_blob_survives_being_made_young(store: LocalStore, trust: Trust) -> None:
    blob = store.put([bytes(2 << 20)])
    path = store.path / "cas" / blob.hash[:2] / blob.hash[2:]
    age(store, 2)
    again = LocalStore(store.path, trust)
    again.get(blob)
    again.blobs.freshen(blob)
    assert time.time() - path.stat().st_mtime < 60
    assert LocalStore(store.path, trust).blobs._is_proved(blob, look(path.stat()))


def test_a_foreign_manifest_keeps_its_blobs(store: LocalStore) -> None:
    fill(store, 2)
    other = LocalStore(store.path, Trust(secret=b"o" * 32))
    assert collect(other, 1 << 30).blobs == 0
    assert store.verify() == []


def test_a_store_that_is_not_there(store: LocalStore) -> None:
    assert collect(store, 0).manifests == 0
    assert not store.path.exists()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    owners=st.lists(st.sets(st.integers(0, 5), max_size=4), min_size=1, max_size=6),
    pinned=st.sets(st.integers(0, 5)),
    hours=st.sampled_from([0.0, 2.0]),
    limit=st.integers(0, 60_000),
)
def test_what_is_left_is_whole(
    tmp_path_factory: object, owners: list[set[int]], pinned: set[int], hours: float, limit: int
) -> None:
    where: Path = tmp_path_factory.mktemp("gc")  # type: ignore[attr-defined]
    trust = Trust(secret=b"s" * 32)
    store = LocalStore(where, trust)
    blobs = [store.put([bytes([n]) * 7000]) for n in range(6)]
    for number, named in enumerate(owners):
        store.publish(made(number, *(blobs[n] for n in sorted(named))))
        if number in pinned:
            store.pin(made(number))
    age(store, hours)
    report = collect(store, limit)
    left = LocalStore(where, trust).entries(P)
    assert store.verify() == []
    assert len(left) == report.kept_manifests
    assert {m.key for m in left} >= {made(n).key for n in pinned if n < len(owners)}
    assert report.kept_bytes <= limit or all(int(m.key, 16) in pinned for m in left)
    if hours:
        assert store.stats().blobs == len({blob for m in left for blob in blobs_of(m)})
    else:
        assert store.stats().blobs == 6


def test_collecting_next_to_a_running_kernel(store: LocalStore, trust: Trust) -> None:
    """Whatever a collection takes, a reader meets a miss or the right bytes."""
    stop = threading.Event()

    def sweep() -> None:
        other = LocalStore(store.path, trust)
        while not stop.is_set():
            # As if two hours had gone by: the harshest collection there is.
            collect(other, 0, now=time.time() + 2 * HOUR)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    served = 0
    try:
        for number in range(300):
            content = os.urandom(10_000 if number % 10 else 2 << 20)
            try:
                blob = store.put([content])
                store.publish(made(number % 9, blob))
                for manifest in store.entries(P):
                    for named in blobs_of(manifest):
                        view = store.get(named)
                        assert named != blob or bytes(view) == content
                        served += 1
            except StoreError:
                continue
    finally:
        stop.set()
        sweeper.join()
    collect(store, 0)
    assert all(problem.kind == "dangling" for problem in store.verify())
