"""Where the document's order comes from, and what frontends are told while cells run."""

import json
import os
import time

import pytest

from strata_kernel.domain.cell import Cell
from strata_kernel.kernel.order import Order, session_file


def write(path, **cells):
    listed = [{"cell_type": "markdown", "id": "md", "source": "# title", "metadata": {}}]
    listed += [
        {
            "cell_type": "code",
            "id": i,
            "source": s.splitlines(keepends=True),
            "outputs": [],
            "metadata": {},
            "execution_count": None,
        }
        for i, s in cells.items()
    ]
    path.write_text(json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    later = time.time_ns() + 1_000_000_000 * len(cells)
    os.utime(path, ns=(later, later))


def ids(order):
    return [c.id for c in order.cells]


def test_order_of_arrival():
    order = Order(None)
    assert order.place("b", "1") == 0
    assert order.place("a", "1") == 1
    assert order.place("b", "2") == 0
    assert order.place("c", "3") == 1  # after the last one run
    assert ids(order) == ["b", "c", "a"]
    order.drop(["c"])
    assert ids(order) == ["b", "a"]
    anonymous = Order(None)
    assert [anonymous.place(None, "1"), anonymous.place(None, "1")] == [0, 1]
    assert not anonymous.known


def test_order_of_the_file(tmp_path):
    path = tmp_path / "nb.ipynb"
    write(path, a="1", b="2", c="3")
    order = Order(path)
    assert order.place("b", "2") == 1
    assert ids(order) == ["a", "b", "c"]
    assert order.place("new", "4") == 2  # not saved yet
    assert ids(order) == ["a", "b", "new", "c"]
    assert order.place("a", "edited") == 0
    assert order.cells[0].source == "edited"
    write(path, c="3", b="2", a="edited")
    assert order.place("c", "3") == 0
    assert ids(order) == ["c", "b", "new", "a"]
    order.drop(["b"])
    assert "b" not in ids(order)
    order.tell([Cell("x", "1"), Cell("m", "text", "markdown"), Cell("a", "1")])
    assert order.place("a", "1") == 1
    order.patch([Cell("y", "1")], ["y", "x", "a"])
    assert ids(order) == ["y", "x", "a"]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"cells": [{"cell_type": "code", "source": "1"}]}', '{"cells": 3}']
)
def test_a_file_that_is_none(tmp_path, content):
    path = tmp_path / "nb.ipynb"
    path.write_text(content)
    order = Order(path)
    assert order.place("a", "1") == 0
    path.unlink()
    assert order.place("b", "1") == 1


def test_a_file_of_another_notebook(tmp_path):
    path = tmp_path / "nb.ipynb"
    write(path, a="1", b="2")
    order = Order(path)
    order.place("elsewhere", "1")
    assert ids(order) == ["elsewhere"]


def test_session_names():
    assert session_file(None) is None
    assert session_file("console-1") is None
    assert session_file("/x/nb.ipynb").name == "nb.ipynb"


def test_kernel_follows_the_file(frontend, tmp_path):
    path = tmp_path / "nb.ipynb"
    write(path, a="x = 1", b="x = x + 1", c="x")
    front = frontend(JPY_SESSION_NAME=str(path))
    assert front.run("x", "c").text() == "2\n"
    assert front.run("x = 10", "a").error is None
    assert front.run("x", "c").text() == "11\n"
    write(path, a="x = 10", c="x", b="x = x + 1")
    assert front.run("x", "c").text() == "10\n"
    assert front.run("x", "c", deletedCells=["a"]).error == "NameError"


def test_told_while_a_cell_runs(frontend):
    front = frontend()
    cells = {"a": "x = 1", "b": "import time\nprint('begun', flush=True)\ntime.sleep(12)\ny = x", "c": "y"}
    front.use_subshell()
    front.document(**cells)
    assert front.hear("welcome")["protocol"] == 1
    assert front.hear("workers")["items"] == []
    graph = front.hear("graph")
    assert [c["id"] for c in graph["cells"]] == ["a", "b", "c"]
    front.subshell, mine = None, front.subshell
    message = front.send(cells["c"], "c")
    front.hear(lambda d: d.get("id") == "b" and d.get("state") == "running")
    start = time.monotonic()
    front.subshell = mine
    front.tell(type="request-plan", id="p", targets=["c"])
    plan = front.hear("plan")
    assert [s["action"] for s in plan["steps"]][-1] == "run"
    front.tell(type="request-inspect", id="i", cell="a")
    assert "cell x" in front.hear("inspection")["text"]
    front.tell(type="set-option", options={"cascade": "off", "askAboveSeconds": 7, "junk": []})
    front.tell(type="document-patch", revision=2, cells=[{"id": "a", "kind": "code", "source": "# @bogus\nx = 2"}])
    found = front.hear("diagnostics")
    assert found["items"][0]["code"] == "directive_unknown"
    assert time.monotonic() - start < 11, "the kernel answered only after the cell"
    assert front.finish(message).text() == "1\n"
    front.hear(lambda d: d.get("id") == "c" and d.get("hit") is False)
    front.tell(type="set-option", options={"cascade": "auto"})
    front.tell(type="document-patch", revision=3, cells=[{"id": "a", "kind": "code", "source": "x = 2"}])
    assert front.hear("diagnostics")["items"] == []
    front.subshell = None
    front.quiet()
    assert front.run("x = 2", "a").error is None
    assert front.run(cells["b"].replace("12", "0"), "b").error is None
    assert front.run(cells["c"], "c").text() == "2\n"


def test_a_file_that_changes_is_told_with_the_next_document(frontend):
    front = frontend()
    (front.folder / "in.txt").write_text("one")
    cells = {"a": "text = open('in.txt').read()", "b": "text.upper()"}
    front.document(**cells)
    for cell, source in cells.items():
        front.run(source, cell)
    front.quiet(1)
    (front.folder / "in.txt").write_text("another")
    front.document(**cells)
    told = front.hear(lambda d: d.get("id") == "a" and d.get("state") == "stale")
    assert "in.txt changed" in told["reasons"][0]["text"]
    assert [front.run(source, cell).status for cell, source in cells.items()] == ["ran", "ran"]


def test_only_changes_are_told(frontend):
    front = frontend()
    cells = {f"c{i}": f"v{i} = {i}" for i in range(300)}
    cells["c0"] = "import time\ntime.sleep(0.2)"
    front.document(**cells)
    told = front.quiet(2)
    assert len([d for d in told if d["type"] == "cell-status"]) == 300
    front.run(cells["c0"], "c0")
    told = front.quiet(2)
    assert len(told) < 8, told
    states = [d["state"] for d in told if d["type"] == "cell-status" and d["id"] == "c0"]
    assert states[0] == "running"
    assert states[-1] == "fresh"
    front.run("1 / 0", "c1")
    assert [d["state"] for d in front.quiet(2) if d.get("id") == "c1"][-1] == "failed"


def test_a_cell_that_comes_back_is_told_again(frontend):
    front = frontend()
    front.document(a="x = 1", b="x + 1")
    front.quiet(1)
    front.tell(type="document-patch", revision=2, order=["a"])
    front.quiet(1)
    front.tell(
        type="document-patch", revision=3, cells=[{"id": "b", "kind": "code", "source": "x + 1"}], order=["a", "b"]
    )
    assert front.hear(lambda d: d.get("id") == "b")["state"] == "new"


def test_control_channel(frontend):
    """Frontends without subshells are answered on the control channel."""
    front = frontend()
    front.document(a="x = 1")
    front.hear("graph")
    message = front.send("import time; time.sleep(10)", "s")
    start = time.monotonic()
    ask = front.client.session.msg("comm_msg", {"comm_id": front.comm, "data": {"type": "request-plan", "id": "q"}})
    front.client.control_channel.send(ask)
    assert front.hear("plan")["id"] == "q"
    assert time.monotonic() - start < 9
    front.finish(message)


def test_a_failure_blocks_what_depends_on_it_and_nothing_else(frontend):
    front = frontend()
    cells = {"a": "a = 1", "b": "b = a / 0", "c": "c = 10", "d": "d = [b, 1]", "e": "e = [d, c]", "f": "f = [a, c]"}
    front.document(**cells)
    edges = {n["id"]: n["upstream"] for n in front.hear("graph")["cells"]}
    for cell in "abcf":
        front.run(cells[cell], cell)
    told = front.quiet(1)
    states = {d["id"]: (d["state"], d.get("reasons")) for d in told if d["type"] == "cell-status"}
    assert {i: s for i, (s, _) in states.items()} == {
        "a": "fresh", "b": "failed", "c": "fresh", "d": "blocked", "e": "blocked", "f": "fresh",
    }  # fmt: skip
    assert states["d"][1] == [{"code": "blocked", "text": "`b` could not be made", "cell": "b", "name": "b"}]
    graphs = [d for d in told if d["type"] == "graph"]
    assert all({n["id"]: n["upstream"] for n in g["cells"]} == edges for g in graphs)
    # Half-typed code keeps its place in the graph, and holds up the same cells.
    front.document(**{**cells, "b": "b = a +"})
    told = front.quiet(1)
    graphs = [d for d in told if d["type"] == "graph"]
    assert all({n["id"]: n["upstream"] for n in g["cells"]} == edges for g in graphs)
    assert not any(d.get("id") in "de" and d.get("state") != "blocked" for d in told if d["type"] == "cell-status")
    front.document(**{**cells, "b": "b = a"})
    assert front.run("b = a", "b").error is None
    front.hear(lambda d: d.get("id") == "e" and d.get("state") in ("new", "stale"))


def test_many_states_come_in_one_message(frontend):
    front = frontend()
    front.document(a="a = 1", b="b = a", c="c = a")
    front.quiet(1)
    front.tell(type="hello", protocol=1, batches=True)
    front.document(a="a = 2 +", b="b = a", c="c = a")
    told = front.quiet(1)
    [together] = [d for d in told if d["type"] == "cell-statuses"]
    assert {d["id"]: d["state"] for d in together["items"]} == {"a": "failed", "b": "blocked", "c": "blocked"}
