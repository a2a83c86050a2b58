"""Cells on workers begin ahead of their turns where nothing above matters to them, and count only at their turns."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import Frontend
from tests.runner.test_runner import write
from tests.worker.conftest import TOKEN, WorkerProcess, declare
from tests.worker.meeting import Meeting, left

GPU, FAR = "# @worker gpu\n", "# @worker far\n"


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    """Two workers, one of which runs three cells at a time."""
    folder = tmp_path_factory.mktemp("workers")
    made = [WorkerProcess(folder / "gpu", "--concurrency", "3"), WorkerProcess(folder / "far")]
    yield {"gpu": made[0].url, "far": made[1].url}
    for each in made:
        each.stop()


@pytest.fixture(scope="module")
def front(urls, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    declare(folder, **urls)
    made = Frontend(folder, folder / "store", MY_WORKER=TOKEN)
    yield made
    made.stop()


@pytest.fixture
def meeting():
    made = []

    def make(let):
        made.append(Meeting(let))
        return made[-1]

    yield make
    for each in made:
        each.close()


def sent(front, cells):
    """Tell the document and which cells come, as the extension does, and ask for all of them."""
    front.document(**cells)
    front.tell(type="queued", cells=list(cells), force=False)
    return {cell: front.send(source, cell) for cell, source in cells.items()}


def play(front, cells):
    return {cell: front.finish(message) for cell, message in sent(front, cells).items()}


def together(count):
    """All go on once so many have come."""
    return lambda name, names: len(names) >= count


def test_independent_cells_run_at_the_same_time(front, meeting):
    place = meeting(together(4))
    cells = {"start": "x = 1"} | {
        name: (FAR if name == "c" else GPU) + place.cell(name, f"{name} = {name!r}, x\nprint({name})")
        for name in ("a", "b", "c", "d")
    }
    cells["end"] = "print(a, b, c, d)"
    got = play(front, cells)
    assert {c: r.error for c, r in got.items() if r.error} == {}
    assert sorted(place.names) == ["a", "b", "c", "d"]
    assert got["end"].text() == "('a', 1) ('b', 1) ('c', 1) ('d', 1)\n"
    assert [got[c].text() for c in "abcd"] == [f"('{c}', 1)\n" for c in "abcd"]
    assert {got[c].status for c in "abcd"} == {"ran"}
    front.restart()
    assert {r.status for r in play(front, cells).values()} == {"hit"}


def test_a_headless_run(urls, meeting, tmp_path):
    declare(tmp_path, **urls)
    place = meeting(together(3))
    path = write(
        tmp_path, {"s": "x = 1", **{n: GPU + place.cell(n, f"{n} = x") for n in "ab"}, "c": FAR + place.cell("c")}
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_")}
    done = subprocess.run(
        [sys.executable, "-m", "strata_kernel.cli", "run", str(path), "--format", "json"],
        env={**environ, "STRATA_CACHE_STORE": str(tmp_path / "store"), "MY_WORKER": TOKEN},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    *cells, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [c["cell_id"] for c in cells]) == (0, ["s", "a", "b", "c"])
    assert summary["counts"]["ok"] == 4
    assert len(place.names) == 3


def test_stale_cells_above_run_at_the_same_time(front, meeting):
    place = meeting(together(2))
    cells = {"a": GPU + place.cell("a"), "b": FAR + place.cell("b"), "c": "print(a, b)"}
    front.document(**cells)
    assert front.run(cells["c"], "c").text() == "met met\n"
    assert sorted(place.names) == ["a", "b"]


def test_one_that_depends_on_another_waits(front, meeting):
    place = meeting(lambda name, names: name != "a" or "c" in names)
    cells = {
        "a": GPU + place.cell("a"),
        "b": GPU + place.cell("b", "b = a + b\nprint(b)"),
        "c": FAR + place.cell("c"),
        "d": "# @worker gpu\n# @after a\n" + place.cell("d"),
    }
    got = play(front, cells)
    assert {c: r.error for c, r in got.items() if r.error} == {}
    assert got["b"].text() == "metmet\n"
    assert set(place.names[:2]) == {"a", "c"}
    assert sorted(place.names) == ["a", "b", "c", "d"]


def test_what_changes_in_between_is_not_missed(front, meeting):
    place = meeting(lambda name, names: name != "a" or "b" in names)
    cells = {
        "s": "xs = [1]\ndef grow():\n    xs.append(len(xs) + 1)",
        "a": GPU + place.cell("a"),
        "k": "grow()",
        "b": FAR + place.cell("b", "print('b sees', xs)"),
    }
    got = play(front, cells)
    assert left(got["b"]) == "b sees [1, 2]\n"
    assert place.names.count("b") == 2


def test_a_file_that_a_cell_in_between_writes_is_not_missed(front, meeting, tmp_path):
    place = meeting(lambda name, names: name != "a" or "b" in names)
    where = tmp_path / "out" / "shared.txt"
    where.parent.mkdir()
    where.write_text("old")
    cells = {
        "s": f"where = {str(where.parent)!r} + '/shared.' + 'txt'",
        "a": GPU + place.cell("a", "done = open(where, 'w').write('new')"),
        "b": FAR + place.cell("b", "print(open(where).read())"),
    }
    assert left(play(front, cells)["b"]) == "new\n"


def test_a_failure_above_ends_what_flies(front, meeting):
    place = meeting(lambda name, names: (name == "b" and names.count("b") > 1) or (name == "a" and "b" in names))
    cells = {"a": GPU + place.cell("a", "1 / 0"), "b": FAR + place.cell("b", "print('b ran')")}
    asked = sent(front, cells)
    assert front.finish(asked["a"]).error == "ZeroDivisionError"
    place.wait(lambda p: "b" in p.gone)
    front.reply(asked["b"])
    front.restart()
    front.document(**cells)
    got = front.run(cells["b"].replace("print", "print"), "b")
    # The one above failed, so nothing stands for this one either.
    assert (got.status, got.text()) == ("ran", "b ran\n")


def test_an_interrupt_ends_what_flies(front, meeting):
    place = meeting(lambda name, names: len(names) > 2)
    cells = {"a": GPU + place.cell("a"), "b": FAR + place.cell("b")}
    asked = sent(front, cells)
    place.wait(lambda p: len(p.names) == 2)
    front.manager.interrupt_kernel()
    assert front.finish(asked["a"]).error == "KeyboardInterrupt"
    place.wait(lambda p: sorted(p.gone) == ["a", "b"])
    front.reply(asked["b"])
    assert {c: r.status for c, r in play(front, cells).items()} == {"a": "ran", "b": "ran"}


def test_a_restart_ends_what_flies(front, meeting):
    place = meeting(lambda name, names: len(names) > 2)
    cells = {"a": GPU + place.cell("a"), "b": FAR + place.cell("b")}
    sent(front, cells)
    place.wait(lambda p: len(p.names) == 2)
    front.restart()
    place.wait(lambda p: sorted(p.gone) == ["a", "b"])
    assert {c: r.error for c, r in play(front, cells).items()} == {"a": None, "b": None}


def test_what_flies_is_told_and_shown_at_its_turn(front, meeting):
    place = meeting(lambda name, names: name == "q" or len(names) > 2)
    cells = {"p": GPU + place.cell("p"), "q": FAR + place.cell("q", "print('early')"), "r": FAR + place.cell("r")}
    asked = sent(front, cells)
    # What lasts less than a moment is not told.
    assert front.hear(lambda d: d.get("id") == "q" and d["state"] in ("dispatching", "running"))["worker"] == "far"
    assert front.hear(lambda d: d.get("id") == "q" and d["state"] == "queued")
    got = {cell: front.finish(message) for cell, message in asked.items()}
    assert (got["p"].outputs, got["q"].text()) == ([], "early\n")
    assert sorted(place.names) == ["p", "q", "r"]


def test_who_announces_nothing_gets_one_after_another(front, meeting):
    place = meeting(lambda name, names: True)
    cells = {"a": GPU + place.cell("a", "import time\ntime.sleep(1)"), "b": FAR + place.cell("b")}
    front.document(**cells)
    message = front.send(cells["a"], "a")
    place.wait(lambda p: "a" in p.gone)
    assert place.names == ["a"]
    front.finish(message)
    assert front.run(cells["b"], "b").error is None
