"""A kernel that runs takes workers, mounts and connections as they are declared, and a file that is none changes nothing."""

import os
import sqlite3

import pytest

from tests.worker.conftest import GPU, TOKEN, declare

WHERE = GPU + "print(6 * 7)"


@pytest.fixture
def front(frontend):
    front = frontend(MY_WORKER=TOKEN)
    front.use_subshell()
    return front


def settle(front, text):
    (front.folder / "strata.toml").write_text(text)


def cells(worker):
    """How many cells the worker was sent."""
    return worker.logged().count('"method": "POST"')


def test_a_worker_that_is_added_changed_and_removed(front, worker):
    one, other = worker(), worker()
    front.document(a=WHERE, c="y = 1")
    assert front.run(WHERE, "a").error == "WorkerError"
    assert front.run("y = 1", "c").error is None
    declare(front.folder, gpu=one.url)
    front.tell(type="settings-changed")
    assert front.hear(lambda said: said["type"] == "workers" and said["items"])["items"][0]["name"] == "gpu"
    assert front.run(WHERE, "a").text() == "42\n"
    declare(front.folder, gpu=other.url)
    assert front.run(WHERE, "a").status == "ran"
    assert front.run("y = 1", "c").status == "hit"
    assert [cells(one), cells(other)] == [1, 1]
    declare(front.folder, gpu=one.url)
    assert front.run(WHERE, "a").status == "hit"
    (front.folder / "strata.toml").unlink()
    assert front.run(WHERE + " ", "a").error == "WorkerError"
    declare(front.folder, gpu=one.url)
    assert front.run(WHERE, "a").status == "hit"


def test_a_file_that_is_no_toml_changes_nothing_and_is_told_of_once(front, worker):
    near = worker()
    declare(front.folder, gpu=near.url)
    assert front.run(WHERE, "a").text() == "42\n"
    settle(front, "[[workers]\n")
    again = WHERE + "\nagain = 1"
    got = front.run(again, "a")
    assert got.text("stdout") == "42\n"
    assert got.text("stderr").count("stay as they were") == 1
    assert "strata.toml" in got.text("stderr")
    assert front.run("z = 1", "b").text("stderr") == ""
    settle(front, "[[mounts]\n")
    assert "stay as they were" in front.run("z = 2", "b").text("stderr")
    (front.folder / "strata.toml").unlink()
    assert front.run(WHERE + "\nagain = 2", "a").error == "WorkerError"


def test_connections_and_mounts_that_change(front):
    for name, total in (("one", 1), ("other", 2)):
        with sqlite3.connect(front.folder / f"{name}.db") as con:
            con.execute(f"CREATE TABLE orders AS SELECT {total} AS total")
        con.close()
        (front.folder / name).mkdir()
        (front.folder / name / "note.txt").write_text(name)
    query, note = "%%sql shop\nSELECT total FROM orders", "print((raw / 'note.txt').read_text())"
    front.document(q=query, t="total = int(result.total[0])\nprint(total)", m=note)

    def told():
        front.run(query, "q")
        return front.run("total = int(result.total[0])\nprint(total)", "t").text(), front.run(note, "m").text()

    def point(name):
        settle(
            front,
            f'[connections.shop]\ndriver = "sqlite"\npath = "{name}.db"\n'
            f'[mounts.raw]\nuri = "file://{os.path.realpath(front.folder)}/{name}"\n',
        )

    assert front.run(query, "q").error == "CellError"
    assert front.run(note, "m").error == "NameError"
    point("one")
    assert told() == ("1\n", "one\n")
    point("other")
    assert told() == ("2\n", "other\n")
    point("one")
    assert [front.run(s, c).status for s, c in ((query, "q"), (note, "m"))] == ["hit", "hit"]
    settle(front, "")
    assert front.run(query, "q").error == "CellError"
    assert front.run(note, "m").error == "NameError"
    front.restart()
    point("one")
    front.document(q=query, t="total = int(result.total[0])\nprint(total)", m=note)
    assert [front.run(s, c).status for s, c in ((query, "q"), (note, "m"))] == ["hit", "hit"]
