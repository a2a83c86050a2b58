"""Cells that are not plain Python: refused where a worker is asked for, never run here; their results travel."""

import pytest

from tests.worker.conftest import GPU

HERE = {
    "sql": "# @name found\n# @sql connection=memory\nSELECT 1 AS a",
    "prompt": "%%prompt found\nsay one",
    "loop": "# @loop max_iter=3 carry=x\nx += 1\nopen('ran.txt', 'w').close()",
}


@pytest.mark.parametrize("kind", HERE)
def test_only_python_goes_to_a_worker(near, kind):
    front = near()
    source = HERE[kind].replace("found\n", "found\n" + GPU) if kind == "prompt" else GPU + HERE[kind]
    after = "import os\nprint(x, 'found' in globals(), os.path.exists('ran.txt'))"
    front.document(a="x = 1", b=source, c=after)
    front.run("x = 1", "a")
    got = front.run(source, "b")
    assert got.error == "WorkerError"
    assert f"cannot go to gpu: {kind} cells run in the kernel only" in got.content["evalue"]
    assert "# @worker local" in got.content["evalue"]
    front.document(a="x = 1", c=after)
    assert front.run(after, "c").text() == "1 False False\n"


def test_results_of_other_kinds_travel(near):
    front = near()
    cells = {
        "a": "x = 1",
        "b": HERE["loop"],
        "c": "# @name found\n# @sql connection=memory\nSELECT 40 + :x AS a",
        "d": GPU + "print(x, found['a'][0])",
    }
    front.document(**cells)
    got = {cell: front.run(source, cell) for cell, source in cells.items()}
    assert {c: r.error for c, r in got.items() if r.error} == {}
    assert got["d"].text() == "4 44\n"
    front.restart()
    front.document(**cells)
    assert {front.run(source, cell).status for cell, source in cells.items()} == {"hit"}


def test_what_a_loop_patched_is_not_made_again_there(near):
    front = near()
    cells = {
        "a": "import json\nx = 0",
        "b": "# @loop max_iter=2 carry=x\nx += 1\njson.greeting = x",
        "c": GPU + "print(json.greeting)",
    }
    front.document(**cells)
    got = {cell: front.run(source, cell) for cell, source in cells.items()}
    assert got["b"].error is None
    assert got["c"].error == "WorkerError"
    assert "can only be made again here" in got["c"].content["evalue"]


def test_the_terms_of_a_loop_hold_for_each_pass(near):
    front = near()
    head = "# @loop max_iter=2 carry=x\n# @loop_until os.environ['LAST'] == 'yes'\n"
    body = "x = x + [os.environ['LAST']]"
    front.document(a="import os\nx = []", b=f"{head}# @env LAST=no\n{body}", c="print(x)")
    front.run("import os\nx = []", "a")
    assert front.run(f"{head}# @env LAST=no\n{body}", "b").error is None
    assert front.run("print(x)", "c").text() == "['no', 'no']\n"
    front.run("import os\nx = []", "a")
    assert front.run(f"{head}# @env LAST=yes\n{body}", "b").error is None
    assert front.run("print(x)", "c").text() == "['yes']\n"
    slow = "# @loop max_iter=2 carry=x\n# @timeout 0.5\nimport time\ntime.sleep(60)"
    assert front.run(slow, "b").error == "CellTimeout"


def test_mounts_are_those_of_the_worker(near, tmp_path):
    front = near()
    raw = tmp_path / "elsewhere"
    raw.mkdir()
    (raw / "a.txt").write_text("one")
    cells = {"a": f"{GPU}# @mount raw file://{raw}\ntext = (raw / 'a.txt').read_text()", "b": "print(text)"}
    front.document(**cells)
    assert [front.run(source, cell).error for cell, source in cells.items()] == [None, None]
    front.restart()
    front.document(**cells)
    got = {cell: front.run(source, cell) for cell, source in cells.items()}
    assert ([g.status for g in got.values()], got["b"].text()) == (["hit", "hit"], "one\n")
    (raw / "a.txt").write_text("two")
    assert front.run(cells["b"], "b").text() == "two\n"
