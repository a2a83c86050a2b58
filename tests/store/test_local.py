"""The local store: nothing wrong is ever served, whatever happens to its files."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strata_kernel.domain.manifest import Artifact, Blob, Manifest, Unit
from strata_kernel.errors import StoreError
from strata_kernel.store import LocalStore, Trust, blobs, open_store

P, K = "ab" * 20, "cd" * 20
MIB = 1 << 20


def made(*named: Blob, key: str = K, created: float = 1.0) -> Manifest:
    return Manifest(P, key, {}, units=(Unit(("x",), "v", artifact=Artifact("pickle", None, named)),), created=created)


def file_of(store: LocalStore, blob: Blob) -> Path:
    return store.path / "cas" / blob.hash[:2] / blob.hash[2:]


def flip(path: Path, at: int) -> None:
    """Change one bit in place, and hide it as well as one can."""
    before = path.stat()
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    path.chmod(0o444)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_tree(store: LocalStore) -> None:
    small, large = store.put([b"a"]), store.put([bytes(2 * MIB)])
    store.publish(made(small))
    files = sorted(str(path.relative_to(store.path)) for path in store.path.rglob("*") if path.is_file())
    cas = sorted(f"cas/{blob.hash[:2]}/{blob.hash[2:]}" for blob in (small, large))
    assert files == [f"ac/ab/{P}/{K}.json", *cas, f"refs/stat/{large.hash}"]
    assert {stat.S_IMODE(file_of(store, blob).stat().st_mode) for blob in (small, large)} == {0o444}
    folders = [store.path, *(path for path in store.path.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


@pytest.mark.parametrize("size", [3, 2 * MIB])
def test_an_existing_blob_is_not_written_again(store: LocalStore, size: int) -> None:
    path = file_of(store, store.put([b"a" * size]))
    before = path.stat()
    store.put([b"a" * size])
    store.put(iter([b"a" * size]))
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert not list((store.path / "tmp").iterdir())


@pytest.mark.parametrize("again", [True, False])
def test_a_flipped_bit_is_never_served(store: LocalStore, trust: Trust, again: bool) -> None:
    chance = random.Random(1)
    for turn in range(100):
        size = chance.choice([1, 100, 70_000, MIB, MIB + 1, 3 * MIB])
        content = chance.randbytes(size)
        blob = store.put([content])
        if turn % 2:
            assert bytes(store.get(blob)) == content
        reader = LocalStore(store.path, trust) if again else store
        flip(file_of(store, blob), chance.randrange(size))
        with pytest.raises(StoreError, match="corrupt"):
            reader.get(blob)
        assert not reader.has(blob)
        assert store.put([content]) == blob
        assert bytes(reader.get(blob)) == content


def test_a_broken_blob_is_replaced_when_it_is_put_again(store: LocalStore) -> None:
    for content in (b"abc", bytes(2 * MIB)):
        for chunks in ([content], iter([content])):
            path = file_of(store, blob := store.put([content]))
            flip(path, 1)
            assert store.put(chunks) == blob
            assert bytes(store.get(blob)) == content


def test_a_truncated_blob(store: LocalStore) -> None:
    blob = store.put([b"abc"])
    file_of(store, blob).chmod(0o644)
    os.truncate(file_of(store, blob), 2)
    assert not store.has(blob)
    with pytest.raises(StoreError, match="2 bytes instead of 3"):
        store.get(blob)


def test_a_large_blob_is_hashed_once_and_not_in_the_next_process(
    store: LocalStore, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = store.put([bytes(2 * MIB)])
    hashed: list[int] = []
    monkeypatch.setattr(blobs, "hash_of", lambda content, threads=1: hashed.append(len(content)) or blob.hash)
    again = LocalStore(store.path, trust)
    again.get(blob)
    assert not hashed
    # Without the seal, or with one that somebody else signed, the bytes are proved again.
    for turn, other in enumerate((trust, Trust(secret=b"o" * 32)), 1):
        if turn == 1:
            (store.path / "refs" / "stat" / blob.hash).unlink()
        LocalStore(store.path, other).get(blob)
        assert len(hashed) == turn
    LocalStore(store.path, other).get(blob)
    assert len(hashed) == 2


def test_a_seal_does_not_serve_as_a_manifest(trust: Trust) -> None:
    assert trust.sign(b"x", "seal") != trust.sign(b"x")
    assert not trust.valid(b"x", trust.sign(b"x", "seal"))


def test_memory_that_changes_while_it_is_put(store: LocalStore) -> None:
    live = bytearray(24 * MIB)
    stop = threading.Event()

    def scribble() -> None:
        value = 0
        while not stop.is_set():
            value = (value + 1) % 256
            live[:: 64 * 1024] = bytes([value]) * len(live[:: 64 * 1024])

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        put = [store.put([memoryview(live)]) for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    assert not store.verify()
    for blob in put:
        store.get(blob)


def test_an_iterator_may_reuse_its_buffer(store: LocalStore) -> None:
    def chunks() -> Iterator[memoryview]:
        buffer = bytearray(300_000)
        for value in range(7):
            buffer[:] = bytes([value]) * len(buffer)
            yield memoryview(buffer)

    assert bytes(store.get(store.put(chunks()))) == b"".join(bytes([v]) * 300_000 for v in range(7))


def test_chunks_that_are_not_flat_bytes(store: LocalStore) -> None:
    wide = memoryview(bytes(range(16))).cast("i")
    assert bytes(store.get(store.put([wide, wide[::2]]))) == bytes(range(16)) + wide[::2].tobytes()


def test_many_mappings_leave_descriptors_to_the_user(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MAPPINGS", 3)
    blob = store.put([bytes(2 * MIB)])
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    held = [store.get(blob) for _ in range(10)]
    assert all(bytes(view[:1]) == b"\0" and not view.readonly for view in held)
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 3


def test_a_mapped_blob_outlives_its_file(store: LocalStore) -> None:
    blob = store.put([b"a" * (2 * MIB)])
    view = store.get(blob)
    shutil.rmtree(store.path)
    assert bytes(view) == b"a" * (2 * MIB)


def test_a_store_that_is_deleted_comes_back(store: LocalStore) -> None:
    blob = store.put([b"abc"])
    store.publish(made(blob))
    shutil.rmtree(store.path)
    assert store.entries(P) == []
    assert not store.has(blob)
    store.used(made(blob))
    with pytest.raises(StoreError):
        store.publish(made(blob))
    assert store.put([b"abc"]) == blob
    store.publish(made(blob))
    assert store.entries(P) == [made(blob)]


def test_torn_foreign_and_future_manifests_are_left_out(store: LocalStore, trust: Trust) -> None:
    store.publish(made())
    path = store.path / "ac" / "ab" / P / f"{K}.json"
    whole = path.read_bytes()
    chance = random.Random(2)
    for turn in range(100):
        broken = bytearray(whole)
        if turn % 2:
            del broken[chance.randrange(len(broken)) :]
        else:
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        found = LocalStore(store.path, trust).entries(P)
        # A bit may fall on white space or on an ignored field's name, never on what is signed.
        assert found in ([], [made()])
    path.write_bytes(whole)
    shutil.copy(path, path.with_name("ee" * 20 + ".json"))
    os.makedirs(store.path / "ac" / "00" / ("00" * 20))
    shutil.copy(path, store.path / "ac" / "00" / ("00" * 20) / path.name)
    again = LocalStore(store.path, trust)
    assert again.entries(P) == [made()]
    assert again.entries("00" * 20) == []
    body = b'{"program":"%b","key":"%b","reads":{},"format":99}' % (P.encode(), K.encode())
    path.write_bytes(b'{"mac":"%b","body":%b}' % (trust.sign(body).encode(), body))
    assert LocalStore(store.path, trust).entries(P) == []


def test_what_another_process_publishes_is_seen(store: LocalStore, trust: Trust) -> None:
    other = LocalStore(store.path, trust)
    for turn in range(30):
        other.publish(made(created=float(turn)))
        assert [m.created for m in store.entries(P)] == [float(turn)]
    other.discard(made())
    assert store.entries(P) == []


def test_an_unchanged_program_costs_one_stat(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.publish(made())
    os.utime(store.path / "ac" / "ab" / P, (1, 1))
    first = store.entries(P)
    monkeypatch.setattr(os, "scandir", pytest.fail)
    assert store.entries(P) == first
    first.clear()
    assert store.entries(P) == [made()]


def test_use_is_noted_once_an_hour(store: LocalStore, trust: Trust) -> None:
    store.publish(made())
    path = store.path / "ac" / "ab" / P / f"{K}.json"
    reader = LocalStore(store.path, trust)
    os.utime(path, (1, 1))
    reader.used(made())
    assert time.time() - path.stat().st_mtime < 60
    os.utime(path, (1, 1))
    reader.used(made())
    assert path.stat().st_mtime == 1
    reader.used(made(key="ee" * 20))
    assert reader.entries(P) == [made()]


def test_a_manifest_that_json_cannot_hold(store: LocalStore) -> None:
    outputs = [{"msg_type": "stream", "content": {"text": "\ud800"}}]
    with pytest.raises(StoreError, match="cannot be written"):
        store.publish(Manifest(P, K, {}, outputs=outputs))


def test_where_the_store_cannot_be(tmp_path: Path, trust: Trust) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot read the store"):
        open_store(tmp_path / "file", trust=trust)
    store = open_store(tmp_path / "file", trust=trust, check=False)
    assert store.entries(P) == []
    assert not store.has(Blob("0" * 64, 1))
    for refused in (lambda: store.put([b"a"]), lambda: store.put([bytes(2 * MIB)]), lambda: store.publish(made())):
        with pytest.raises(StoreError, match=str(tmp_path / "file")) as raised:
            refused()
        assert "\n" not in str(raised.value)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "disk"
    where.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "none", where], capture_output=True).returncode
    ):
        pytest.skip("cannot mount a small disk")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def test_a_full_disk(small_disk: Path, trust: Trust) -> None:
    store = LocalStore(small_disk / "store", trust)
    blob = store.put([b"abc"])
    store.publish(made(blob))
    with pytest.raises(StoreError, match="No space left on device"):
        store.put([os.urandom(4 * MIB)])
    assert not list((store.path / "tmp").iterdir())
    _fill(small_disk / "ballast")
    for refused in (lambda: store.put([b"another"]), lambda: store.publish(made(key="ee" * 20))):
        with pytest.raises(StoreError, match="No space left on device"):
            refused()
    assert store.entries(P) == [made(blob)]
    assert bytes(store.get(blob)) == b"abc"


def _fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_a_read_only_store(tmp_path: Path, small_disk: Path, trust: Trust) -> None:
    store = LocalStore(small_disk / "store", trust)
    small, large = store.put([b"abc"]), store.put([bytes(MIB + 1)])
    store.publish(made(small, large))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    again = open_store(small_disk / "store", trust=trust)
    assert again.entries(P) == [made(small, large)]
    assert bytes(again.get(small)) == b"abc"
    assert len(again.get(large)) == MIB + 1
    again.used(made(small, large))
    again.local.lease().release()
    assert again.put([b"abc"]) == small
    for refused in (lambda: again.put([b"new"]), lambda: again.publish(made(small)), lambda: again.discard(made())):
        with pytest.raises(StoreError, match="Read-only file system"):
            refused()


WRITER = """
import os, sys, random
from pathlib import Path
from strata_kernel.store import LocalStore, Trust
from strata_kernel.domain.manifest import Artifact, Manifest, Unit
store = LocalStore(Path(sys.argv[1]), Trust(secret=b"s" * 32))
chance = random.Random(int(sys.argv[2]))
print("ready", flush=True)
for turn in range(int(sys.argv[3])):
    blobs = tuple(store.put([chance.randbytes(chance.choice([10, 5000, 2 << 20]))]) for _ in range(2))
    unit = Unit(("x",), "v", artifact=Artifact("pickle", None, blobs))
    store.publish(Manifest("ab" * 20, f"{turn % 7:040x}", {}, units=(unit,), created=float(turn)))
"""


def start(path: Path, seed: int, turns: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(path), str(seed), str(turns)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_nothing_wrong(store: LocalStore, trust: Trust) -> None:
    chance = random.Random(3)
    for turn in range(20):
        process = start(store.path, turn % 3, 10_000)
        time.sleep(chance.uniform(0.0, 0.12))
        process.kill()
        process.communicate()
        reader = LocalStore(store.path, trust)
        for manifest in reader.entries(P):
            for unit in manifest.units:
                assert unit.artifact is not None
                for blob in unit.artifact.buffers:
                    reader.get(blob)
    assert store.entries(P)
    assert store.verify() == []


@pytest.mark.slow
def test_two_writers_of_the_same_blobs(store: LocalStore) -> None:
    both = [start(store.path, 5, 40) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    for process in both:
        process.communicate()
    assert store.verify() == []
    assert len(store.entries(P)) == 7
    assert not list((store.path / "tmp").iterdir())


def test_many_threads(store: LocalStore) -> None:
    contents = [random.Random(n).randbytes(50_000 * n + 1) for n in range(30)]
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for content in contents:
                assert bytes(store.get(store.put([content]))) == content
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert store.verify() == []


def test_counting_listing_verifying_and_clearing(store: LocalStore) -> None:
    first, second = store.put([b"a" * 10]), store.put([bytes(2 * MIB)])
    store.publish(made(first, second))
    store.publish(made(first, key="ee" * 20))
    store.pin(made())
    found = store.stats()
    assert (found.programs, found.manifests, found.blobs, found.blob_bytes, found.pins) == (1, 2, 2, 10 + 2 * MIB, 1)
    listed = {entry.manifest.key: entry for entry in store.ls()}
    assert listed[K].pinned
    assert not listed["ee" * 20].pinned
    assert listed[K].size > 2 * MIB > listed["ee" * 20].size > 10
    assert store.verify() == []
    flip(file_of(store, second), 5)
    assert sorted(problem.kind for problem in store.verify()) == ["corrupt", "dangling"]
    assert len(store.entries(P)) == 2
    assert sorted(problem.kind for problem in store.verify(repair=True)) == ["corrupt", "dangling"]
    assert store.verify() == []
    assert [m.key for m in store.entries(P)] == ["ee" * 20]
    store.unpin(made())
    store.unpin(made())
    assert store.stats().pins == 0
    assert store.clear() > 10
    assert (store.stats().manifests, store.stats().blobs) == (0, 0)
    store.publish(made(store.put([b"a"])))


def test_the_import_is_light() -> None:
    code = "import sys, strata_kernel.store; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fsspec", "numpy", "IPython", "socket", "hashlib", "tempfile", "logging"} & set(loaded)
