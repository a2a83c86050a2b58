"""While bytes travel between a bucket and a cell, the page is told how far they have come; an interrupt ends them."""

import time

import pytest

from tests.worker.conftest import GPU, TOKEN, WorkerProcess, declare

SIZE = 6_000_000


@pytest.fixture
def front(frontend, bucket):
    for name in ("a", "b"):
        bucket.put(f"raw/{name}.bin", bytes(SIZE // 2))
    found = frontend(**bucket.environ)
    # The client of the store is loaded, and the cell's own time is what the bytes take.
    found.document(z=f"# @mount raw {bucket.uri}/raw\nlist(raw.iterdir())")
    found.run(f"# @mount raw {bucket.uri}/raw\nlist(raw.iterdir())", "z")
    return found


def told(front, cell):
    """What was said of the cell while it ran: (state, progress) in order."""
    return [
        (d["state"], d.get("progress")) for d in front.quiet() if d.get("type") == "cell-status" and d["id"] == cell
    ]


def counted(said, label):
    return [p for _, p in said if p and p["label"] == label]


def test_bytes_that_are_fetched_are_told_while_it_lasts(front, bucket, s3):
    cell = f"# @mount raw {bucket.uri}/raw\nn = sum(len(p.read_bytes()) for p in sorted(raw.iterdir()))"
    text = f"# @mount raw {bucket.uri}/raw\nlength = len(str(raw))"
    front.document(b=text, a=cell)
    front.quiet()
    s3.pause = 0.2
    start = time.monotonic()
    assert front.run(text, "b").error is None
    took = time.monotonic() - start
    said = told(front, "b")
    found = counted(said, "fetching")
    # Both files in one go; nothing before half a second, and no more than four times a second.
    assert {p["total"] for p in found} == {SIZE}
    assert sorted(p["done"] for p in found) == [p["done"] for p in found]
    assert 2 <= len(found) <= 4 * (took - 0.5) + 1
    assert all(0 < p["done"] <= SIZE for p in found)
    last = said.index(("running", found[-1]))
    assert said[last + 1] == ("running", None)
    # What is here already, and what is small, is not worth a word.
    s3.pause = 0.0
    assert front.run(cell, "a").error is None
    assert counted(told(front, "a"), "fetching") == []
    an_interrupt_ends_it_and_keeps_nothing(front, bucket, s3)


def an_interrupt_ends_it_and_keeps_nothing(front, bucket, s3):
    bucket.put("large/c.bin", b"c" * SIZE)
    cell = f"# @mount large {bucket.uri}/large\nlength = len(str(large))"
    front.document(a=cell)
    kept = front.folder / "store-mounts"
    before = sorted((kept / "cas").rglob("*"))
    front.quiet()
    s3.pause = 1.0  # it would take 22 s
    message = front.send(cell, "a")
    front.hear(lambda d: d.get("id") == "a" and d.get("progress"))
    front.manager.interrupt_kernel()
    start = time.monotonic()
    got = front.finish(message)
    assert (got.error, time.monotonic() - start < 8) == ("KeyboardInterrupt", True)
    deadline = time.monotonic() + 10
    while any(path.stat().st_size for path in (kept / "tmp").rglob("*") if path.is_file()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert sorted((kept / "cas").rglob("*")) == before
    s3.pause = 0.0
    assert front.run(cell, "a").error is None
    assert "never retrieved" not in front.logged()


def test_bytes_that_are_written_back_are_told_and_an_interrupt_says_where_they_are_kept(front, bucket, s3):
    cell = f"# @mount out {bucket.uri}/out rw\nfor name in 'abcde':\n    (out / name).write_bytes(bytes(1_000_000))"
    front.document(a=cell)
    front.quiet()
    s3.pause = 0.3
    assert front.run(cell, "a").error is None
    found = counted(told(front, "a"), "writing")
    assert found
    assert {p["total"] for p in found} == {5_000_000}
    assert bucket.keys()[:5] == [f"out/{name}" for name in "abcde"]
    cell = (
        f"# @mount out {bucket.uri}/more rw\nfor name in 'abcdefghi':\n    (out / name).write_bytes(bytes(1_000_000))"
    )
    front.document(a=cell)
    front.quiet()
    s3.pause = 0.5
    message = front.send(cell, "a")
    front.hear(lambda d: d.get("id") == "a" and d.get("progress"))
    front.manager.interrupt_kernel()
    got = front.finish(message)
    assert got.error == "KeyboardInterrupt"
    assert "may have been written back in part, and is kept in" in got.text("stderr")
    there = bucket.keys()
    assert "more/i" not in there


def test_what_a_worker_fetches_is_told_here(frontend, bucket, s3, tmp_path):
    bucket.put("raw/a.bin", bytes(SIZE))
    worker = WorkerProcess(tmp_path / "worker", **bucket.environ)
    declare(tmp_path, gpu=worker.url)
    front = frontend(MY_WORKER=TOKEN, **bucket.environ)
    try:
        cell = f"{GPU}# @mount raw {bucket.uri}/raw\nn = len((raw / 'a.bin').read_bytes())"
        front.document(a=cell)
        s3.pause = 0.1
        assert front.run(cell, "a").error is None
        said = [d for d in front.quiet() if d.get("id") == "a" and (d.get("progress") or {}).get("label") == "fetching"]
        assert {(d["worker"], d["state"], d["progress"]["total"]) for d in said} == {("gpu", "running", SIZE)}
    finally:
        worker.stop()
