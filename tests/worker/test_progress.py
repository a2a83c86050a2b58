"""Bytes on their way to a worker and back are told while it lasts; an interrupt ends them at once."""

import time

import pytest

from tests.worker.conftest import GPU, TOKEN, Link, declare

SIZE = 12_000_000
CELLS = {
    "a": f"import random\nsent = random.Random(1).randbytes({SIZE})",
    "b": GPU + "length = len(sent)\nprint(length)",
    "c": GPU + f"import random\nmade = random.Random(2).randbytes({SIZE})\nother = random.Random(3).randbytes(9)",
    "d": "print(made[:0], len(other))",
}


@pytest.fixture
def front(frontend, worker, tmp_path):
    made = worker()
    link = Link(made.url)
    declare(tmp_path, gpu=link.url)
    front = frontend(MY_WORKER=TOKEN)
    front.worker, front.link = made, link
    front.document(**CELLS)
    yield front
    link.stop()


def interrupted(front, cell, label):
    """Run a cell until bytes of it are told, interrupt it, and return how it ended and what was told."""
    front.quiet()
    message = front.send(CELLS[cell], cell)
    said = front.hear(lambda d: d.get("id") == cell and (d.get("progress") or {}).get("label") == label)
    front.manager.interrupt_kernel()
    start = time.monotonic()
    got = front.finish(message)
    assert time.monotonic() - start < 8  # and not the twenty that it would take
    return got, said


def test_bytes_that_go_there_are_told_and_an_interrupt_ends_them(front):
    front.run(CELLS["a"], "a")
    front.link.rate = SIZE / 20
    got, said = interrupted(front, "b", "sending")
    assert (got.error, said["state"], said["worker"]) == ("KeyboardInterrupt", "dispatching", "gpu")
    assert 0 < said["progress"]["done"] < said["progress"]["total"]
    passed = front.link.passed
    # Half of it is nothing: it goes there anew, to the end.
    front.link.rate = SIZE / 8
    front.quiet()
    got = front.run(CELLS["b"], "b")
    assert (got.error, got.text()) == (None, f"{SIZE}\n")
    assert passed < SIZE < front.link.passed - passed
    told = [d.get("progress") for d in front.quiet() if d.get("id") == "b"]
    sending = [p["done"] for p in told if p and p["label"] == "sending"]
    assert len(sending) > 1
    assert sending == sorted(sending)
    assert told[-1] is None


def test_bytes_that_come_back_are_told_and_an_interrupt_keeps_nothing(front):
    front.document(c=CELLS["c"], d=CELLS["d"])
    front.link.rate = SIZE / 20
    got, said = interrupted(front, "c", "receiving")
    assert (got.error, said["state"], said["worker"]) == ("KeyboardInterrupt", "running", "gpu")
    assert 0 < said["progress"]["done"] < said["progress"]["total"] < SIZE + 10_000
    assert front.value("'made' in globals()") == "False"
    front.link.rate = 0
    got = front.run(CELLS["d"], "d")
    assert (got.error, got.text()) == (None, "b'' 9\n")
    assert "Uncaught" not in front.worker.logged()
