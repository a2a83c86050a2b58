"""`@env`, `[env]` and `@timeout`: in force for their cell, in the key where they matter, gone afterwards."""

import time

import pytest

READ = "import os\nmode = os.environ.get('MODE')\nprint(mode)"


@pytest.fixture
def front(frontend):
    return frontend()


def test_env_is_for_its_cell_alone(front):
    cells = {
        "a": "# @env MODE=fast\n" + READ,
        "b": "import os\nprint(os.environ.get('MODE'))",
        "c": "# @env MODE=fast\nimport os\nos.environ['MODE'] = 'mine'",
        "d": "print(os.environ.get('MODE'), mode)",
    }
    front.document(**cells)
    texts = [front.run(source, cell).text() for cell, source in cells.items()]
    assert texts == ["fast\n", "None\n", "", "None fast\n"]
    front.restart()
    front.document(**cells)
    got = [front.run(source, cell) for cell, source in cells.items()]
    assert [g.status for g in got] == ["hit"] * 4
    assert [g.text() for g in got] == texts


def test_env_is_in_the_key(front):
    front.document(a="# @env MODE=fast\n" + READ)
    assert front.run("# @env MODE=fast\n" + READ, "a").status == "ran"
    assert front.run("# @env MODE=slow\n" + READ, "a").text() == "slow\n"
    got = front.run("# @env MODE=fast\n" + READ, "a")
    assert (got.status, got.text()) == ("hit", "fast\n")


def test_env_comes_back_after_a_failure(front):
    assert front.run("# @env MODE=x\n1 / 0", "a").error == "ZeroDivisionError"
    assert front.run("import os; print(os.environ.get('MODE'))", "b").text() == "None\n"


def test_env_hides_what_an_earlier_cell_set(front):
    cells = {"a": "import os\nos.environ['MODE'] = 'first'", "b": "# @env MODE=own\n" + READ, "c": READ}
    front.document(**cells)
    assert [front.run(s, c).text() for c, s in cells.items()] == ["", "own\n", "first\n"]
    front.restart()
    front.document(**cells)
    got = [front.run(s, c) for c, s in cells.items()]
    assert [(g.status, g.text()) for g in got] == [("hit", ""), ("hit", "own\n"), ("hit", "first\n")]


def test_the_notebooks_env_is_where_a_kernel_starts(front):
    settings = front.folder / "strata.toml"
    settings.write_text('[env]\nMODE = "toml"\nMY_TOKEN = ""\n')
    front.env["MY_TOKEN"] = "from outside"
    front.restart()
    cells = {"a": READ, "b": "# @env MODE=own\n" + READ, "c": "x = 1", "d": "import os; print(os.environ['MY_TOKEN'])"}
    front.document(**cells)
    texts = [front.run(s, c).text() for c, s in cells.items()]
    assert texts == ["toml\n", "own\n", "", "from outside\n"]
    settings.write_text('[env]\nMODE = "other"\n')
    front.restart()
    front.document(**cells)
    got = [front.run(s, c) for c, s in cells.items()]
    # Only the cell that read it depends on it.
    assert [g.status for g in got] == ["ran", "hit", "hit", "hit"]
    assert got[0].text() == "other\n"


def test_a_timeout_interrupts_and_leaves_nothing_behind(front):
    cells = {"a": "xs = [1]", "b": "# @timeout 0.5\nimport time\nxs.append(2)\ntime.sleep(60)", "c": "print(xs)"}
    front.document(**cells)
    front.run(cells["a"], "a")
    start = time.monotonic()
    got = front.run(cells["b"], "b")
    assert time.monotonic() - start < 10
    assert got.error == "CellTimeout"
    assert "timed out after 0.5 s" in got.content["evalue"]
    assert "CellTimeout" in got.outputs[-1][1]["traceback"][-1]
    assert got.outputs[-1][1]["ename"] == "CellTimeout"
    cells["b"] = "pass"
    front.document(**cells)
    assert front.run(cells["c"], "c").text() == "[1]\n"
    assert front.run("# @timeout 5\nprint('in time')", "d").text() == "in time\n"
    # A cell above that is over its time is told apart from one that the user interrupted.
    cells |= {"b": "# @timeout 0.5\nimport time\ntime.sleep(60)\ny = 1", "c": "print(y)"}
    front.document(**cells)
    assert front.run(cells["c"], "c").error == "CellFailed"


def test_a_cell_that_swallows_interrupts_ends_all_the_same(front):
    stubborn = (
        "# @timeout 0.5\nimport time\nwhile True:\n    try:\n        time.sleep(60)\n"
        "    except KeyboardInterrupt:\n        print('no')"
    )
    start = time.monotonic()
    got = front.run(stubborn, "a")
    assert got.error == "CellTimeout"
    assert time.monotonic() - start < 12
    assert front.run("1 + 1", "b").text() == "2\n"


def test_a_cell_that_lets_nothing_run_is_ended_with_the_kernel(front):
    front.document(a="x = 1")
    front.run("x = 1", "a")
    # It holds what every thread of Python waits for.
    front.send("# @timeout 0.5\nimport ctypes\nctypes.PyDLL(None).sleep(90)", "b")
    deadline = time.monotonic() + 60
    while front.manager.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "Timeout" in front.logged()
    front.restart()
    front.document(a="x = 1", c="print(x)")
    assert [front.run("x = 1", "a").status, front.run("print(x)", "c").text()] == ["hit", "1\n"]


def test_a_timeout_while_awaiting(front):
    got = front.run("# @timeout 0.5\nimport asyncio\nawait asyncio.sleep(60)", "a")
    assert got.error == "CellTimeout"


def test_the_notebooks_limit_holds_for_cells_without_one(front):
    (front.folder / "strata.toml").write_text("timeout = 0.5\n")
    front.restart()
    assert front.run("import time\ntime.sleep(60)", "a").error == "CellTimeout"
    assert front.run("# @timeout 60\nimport time\ntime.sleep(1)\nprint('done')", "b").text() == "done\n"
