"""A cell on a worker gives what it gives here, is served afterwards, and leaves nothing behind when it fails."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.worker.conftest import GPU, TOKEN, declare, until

CELLS = {
    "a": "x = 20\ndef double(v):\n    return 2 * v\nxs = [1]",
    "b": GPU + "y = double(x) + 1\nprint('on the worker')\ny",
    "c": "print(y * 2)",
    "d": GPU
    + "def more(v):\n    return v + y\nclass Box:\n    def __init__(self, v):\n        self.v = v\nbox = Box(more(1))",
    "e": "print(box.v, type(box) is Box, more(2))",
    "f": GPU + "xs.append(2)",
    "g": "print(xs)",
    "h": GPU + "import random\nrandom.seed(7)\nopen('out.txt', 'w').write('hello')",
    "i": "print(open('out.txt').read(), random.randint(0, 999))",
    "j": GPU + "print(open('out.txt').read(), random.randint(0, 999))",
    "k": GPU + "!echo from a program",
}
TEXTS = {
    "b": "on the worker\n41\n",
    "c": "82\n",
    "e": "42 True 43\n",
    "g": "[1, 2]\n",
}


def seen(front, text):
    """Wait for what a cell shows; a starting kernel may show words of its own."""
    while got := front._poll(60):
        if got["msg_type"] == "stream" and text in got["content"]["text"]:
            return
    raise AssertionError(f"{text!r} was not shown")


def play(front, cells):
    front.document(**cells)
    return {cell: front.run(source, cell) for cell, source in cells.items()}


def test_a_cell_that_lets_nothing_run_is_ended_there(near):
    front = near()
    start = time.monotonic()
    got = front.run(GPU + "# @timeout 0.5\nimport ctypes\nctypes.PyDLL(None).sleep(90)", "a")
    assert (got.error, "it was over its time" in got.content["evalue"]) == ("WorkerError", True)
    assert time.monotonic() - start < 60
    assert front.run(GPU + "print('well')", "b").text("stdout") == "well\n"


def test_a_notebook_here_and_there(near):
    front = near()
    got = play(front, CELLS)
    assert {c: r.error for c, r in got.items() if r.error} == {}
    for cell, text in TEXTS.items():
        assert got[cell].text() == text
    assert got["k"].text().strip() == "from a program"
    assert got["b"].decision["worker"] == "gpu"
    assert got["a"].decision["worker"] == "local"
    here = {c: s.replace(GPU, "") for c, s in CELLS.items()}
    there = {c: r.text() for c, r in got.items()}
    front.restart()
    assert {c: r.text() for c, r in play(front, here).items()} == there
    front.restart()
    again = play(front, CELLS)
    assert {r.status for c, r in again.items() if c != "k"} == {"hit"}
    assert {c: r.text() for c, r in again.items()} == there


def test_effects_above_are_in_force_there_and_effects_made_there_here(near):
    front = near()
    got = play(
        front,
        {
            "a": "import json\njson.greeting = 'hi'",
            "b": GPU + "print(json.greeting)\njson.answer = 42",
            "c": "print(json.answer)",
            "d": "import os\nos.environ['MODE'] = 'fast'",
            "e": "# @worker gpu\n# @env OWN=1\nprint(os.environ['MODE'], os.environ['OWN'])",
        },
    )
    assert {c: r.error for c, r in got.items() if r.error} == {}
    assert [got[c].text() for c in "bce"] == ["hi\n", "42\n", "fast 1\n"]


def test_an_error_is_the_cells_own_and_keeps_nothing(near):
    front = near()
    front.document(a="xs = [1]", b=GPU + "xs.append(2)\n1 / 0", c="print(xs)")
    front.run("xs = [1]", "a")
    got = front.run(GPU + "xs.append(2)\n1 / 0", "b")
    assert got.error == "ZeroDivisionError"
    assert any("1 / 0" in line or "ZeroDivisionError" in line for line in got.content["traceback"])
    assert [kind for kind, _ in got.outputs] == ["error"]
    front.document(a="xs = [1]", b="pass", c="print(xs)")
    assert front.run("print(xs)", "c").text() == "[1]\n"


def test_output_comes_while_the_cell_runs(near):
    front = near()
    message = front.send(GPU + "import time\nprint('early')\ntime.sleep(4)\nprint('late')", "a")
    start = time.monotonic()
    seen(front, "early\n")
    early = time.monotonic() - start
    done = front.finish(message)
    assert time.monotonic() - start - early > 2
    assert done.error is None


def test_an_interrupt_reaches_the_cell_and_ends_its_children(near):
    front = near()
    front.document(a=GPU + "pass")
    source = (
        GPU
        + "import subprocess, time\np = subprocess.Popen(['sleep', '1234.5'], start_new_session=True)\nprint('begun')\ntime.sleep(60)"
    )
    message = front.send(source, "a")
    seen(front, "begun\n")
    front.manager.interrupt_kernel()
    start = time.monotonic()
    got = front.finish(message)
    assert got.error == "KeyboardInterrupt"
    assert time.monotonic() - start < 10
    until(lambda: "1234.5" not in subprocess.check_output(["ps", "-eo", "args"], text=True))
    assert front.run(GPU + "print('next')", "b").text() == "next\n"


def test_a_timeout_there(near):
    front = near()
    start = time.monotonic()
    got = front.run("# @worker gpu\n# @timeout 0.5\nimport time\ntime.sleep(60)", "a")
    assert got.error == "CellTimeout"
    assert time.monotonic() - start < 15


def test_what_cannot_travel_is_said(near):
    front = near()
    got = play(
        front, {"a": "import sqlite3\nconn = sqlite3.connect(':memory:')", "b": GPU + "conn.execute('select 1')"}
    )
    assert got["b"].error == "WorkerError"
    assert "conn" in got["b"].content["evalue"]
    assert "cannot go to gpu" in got["b"].content["evalue"]
    # And what cannot come back is made here once it is needed.
    got = play(front, {"c": GPU + "gen = (i for i in range(3))", "d": "print(list(gen))"})
    assert got["d"].text() == "[0, 1, 2]\n"


def test_the_worker_is_killed_under_a_cell(near):
    front = near()
    front.document(a=GPU + "pass")
    message = front.send(GPU + "import time\nprint('begun')\ntime.sleep(60)\nx = 1", "a")
    seen(front, "begun\n")
    start = time.monotonic()
    front.worker.process.kill()
    got = front.finish(message)
    assert time.monotonic() - start < 10
    assert got.error == "WorkerError"
    assert "ended before the cell did" in got.content["evalue"]
    got = front.run(GPU + "import time\nx = 1", "a")
    assert "cannot be reached" in got.content["evalue"]
    assert "strata worker" in got.content["evalue"]


def test_the_process_of_a_cell_is_killed(near):
    front = near()
    got = front.run(GPU + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "a")
    assert got.error == "WorkerError"
    assert "ended before the cell did (-9)" in got.content["evalue"]
    assert front.run(GPU + "print('next')", "b").text() == "next\n"


def test_a_wrong_token_and_an_unknown_name(near):
    front = near()
    front.env["MY_WORKER"] = "wrong"
    front.restart()
    got = front.run(GPU + "x = 1", "a")
    assert "wants another token" in got.content["evalue"]
    assert "MY_WORKER" in got.content["evalue"]
    assert "did you mean gpu?" in front.run("# @worker gpuu\nx = 1", "b").content["evalue"]
    assert "wrong" not in front.worker.logged()


LOOK = """
import os, pathlib
pid, seen = os.getpid(), []
for place in ("cell", "nursery", "worker"):
    seen.append(pathlib.Path(f"/proc/{pid}/environ").read_bytes())
    pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
print(["correct" + " horse" in each.decode("utf-8", "replace") for each in seen], b"WORKER_TOKEN" in seen[2])
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no environment of others to be seen")
def test_cells_do_not_find_the_token(near):
    assert near().run(GPU + LOOK, "a").text() == "[False, False, False] True\n"


def test_inputs_that_are_too_large(near):
    front = near("--max-input-bytes", "100000")
    got = play(front, {"a": "blob = b'x' * 200_000", "b": GPU + "len(blob)"})
    assert "too large" in got["b"].content["evalue"]


def test_files_read_on_the_worker_are_never_taken_for_ours(near, tmp_path):
    front = near()
    elsewhere = tmp_path / "elsewhere.txt"
    elsewhere.write_text("one")
    source = GPU + f"print(open('{elsewhere}').read())"
    front.document(a=source)
    assert front.run(source, "a").text() == "one\n"
    # On this machine it is the same file, so it can be told that it changed.
    assert front.run(source, "a").status == "hit"
    elsewhere.write_text("two")
    assert front.run(source, "a").text() == "two\n"
    outside = GPU + f"open('{tmp_path}/../escaped.txt', 'w').write('x')"
    got = front.run(outside, "b")
    assert "unobserved" in got.codes


def test_only_what_it_lacks_travels(near):
    front = near()
    cells = {"a": "import os\nblob = os.urandom(4_000_000)", "b": GPU + "len(blob)", "c": GPU + "blob[0] >= 0"}
    front.document(**cells)
    for cell in "ab":
        assert front.run(cells[cell], cell).error is None
    puts = front.worker.logged().count('"method": "PUT"')
    assert puts >= 1
    assert front.run(cells["c"], "c").text() == "True\n"
    assert front.worker.logged().count('"method": "PUT"') == puts
    # One connection after the other can be kept: there are only so many.
    port = int(front.worker.url.rpartition(":")[2])
    used = psutil.Process(front.manager.provisioner.process.pid).net_connections()
    assert sum(bool(each.raddr) and each.raddr.port == port for each in used) <= 1


def test_it_drains(worker, frontend, tmp_path):
    made = worker()
    declare(tmp_path, gpu=made.url)
    front = frontend(MY_WORKER=made.token)
    message = front.send(GPU + "import time\nprint('begun')\ntime.sleep(2)\nprint('done')", "a")
    seen(front, "begun\n")
    made.process.send_signal(signal.SIGTERM)
    assert front.finish(message).text().endswith("done\n")
    assert made.process.wait(30) == 0
    assert not list((made.folder / "work").glob("guests/*"))


def test_a_public_address_needs_a_token(tmp_path):
    command = [sys.executable, "-m", "strata_kernel.cli", "worker", "--work-dir", str(tmp_path), "--port", "0"]
    done = subprocess.run([*command, "--host", "0.0.0.0"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--token-env" in done.stderr
    done = subprocess.run([*command, "--token-env", "NO_SUCH"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="memory is limited by the system's own means")
def test_memory_has_a_limit(near):
    front = near("--memory-bytes", str(3 << 30))
    got = front.run(GPU + "x = bytearray(8 << 30)", "a")
    assert got.error == "MemoryError"


def test_a_caller_that_goes_away_ends_its_cell(near):
    front = near()
    message = front.send(GPU + "import subprocess\nprint('begun')\nsubprocess.run(['sleep', '2345.6'])", "a")
    seen(front, "begun\n")
    assert message
    front.manager.provisioner.process.kill()
    until(lambda: "2345.6" not in subprocess.check_output(["ps", "-eo", "args"], text=True))
    with front.worker.client() as client:
        until(lambda: client.get("/health").json()["active_executions"] == 0)


def install(folder, version):
    """Put a distribution with one module on a path of its own."""
    site = folder / f"v{version}" / "site-packages"
    (site / f"twice-{version}.dist-info").mkdir(parents=True)
    (site / f"twice-{version}.dist-info" / "METADATA").write_text(f"Name: twice\nVersion: {version}\n")
    (site / f"twice-{version}.dist-info" / "RECORD").write_text("twice.py,,\n")
    (site / "twice.py").write_text(f"made = {version!r}\n")
    return str(site)


def test_libraries_that_differ_are_told_and_verified(frontend, worker, tmp_path):
    made = worker(PYTHONPATH=install(tmp_path, "2.0"))
    declare(tmp_path, gpu=made.url)
    front = frontend(MY_WORKER=TOKEN, PYTHONPATH=install(tmp_path, "1.0"))
    source = GPU + "import twice\nprint(twice.made)"
    front.document(a=source)
    got = front.run(source, "a")
    assert got.text() == "2.0\n"
    told = front.hear(lambda d: d.get("state") == "dispatching" and d.get("reasons"))
    assert told["worker"] == "gpu"
    assert told["reasons"][0]["text"] == "twice is 2.0 on gpu and 1.0 here"
    assert "environment" in got.codes
    front.restart()
    front.document(a=source)
    assert front.run(source, "a").status == "hit"


def test_own_modules_travel(near):
    front = near()
    (front.folder / "pack").mkdir()
    (front.folder / "pack" / "__init__.py").write_text("from pack.inner import value\n")
    (front.folder / "pack" / "inner.py").write_text("value = 1\nclass Box:\n    held = 3\n")
    (front.folder / "single.py").write_text("import pack\ndef double():\n    return 2 * pack.value\n")
    cells = {
        "a": "from pack.inner import Box\nbox = Box()",
        "b": GPU + "import single\nprint(single.double(), box.held)",
    }
    got = play(front, cells)
    assert got["b"].text() == "2 3\n"
    assert front.run(cells["b"], "b").status == "hit"
    (front.folder / "pack" / "inner.py").write_text("value = 10\nclass Box:\n    held = 30\n")
    front.document(**cells)
    assert front.run(cells["b"], "b").text() == "20 30\n"


def test_what_the_notebook_did_to_a_module_travels_both_ways(near):
    front = near()
    module = (
        "LIMIT = 1\ndef configure(n):\n    global LIMIT\n    LIMIT = n\n    return n\ndef get():\n    return LIMIT\n"
    )
    (front.folder / "tuned.py").write_text(module)
    cells = {
        "a": "from tuned import configure, get\ny = configure(5)",
        "b": GPU + "print(get())\nz = configure(get() + 1)",
        "c": "print(get())",
    }
    got = play(front, cells)
    assert (got["b"].text(), got["c"].text()) == ("5\n", "6\n")


def test_what_refers_to_a_class_that_a_cell_changes_there_changes_here(near):
    front = near()
    cells = {
        "a": "class C:\n    seen = []\n    def m(self):\n        self.seen.append(1)\n        return len(self.seen)",
        "b": "d = C()",
        "c": "e = [C()]",
        "d": GPU + "n = d.m()",
        "e": "class C:\n    pass",
        "f": "print(n, d.seen, e[0].seen)",
    }
    assert play(front, cells)["f"].text() == "1 [1] [1]\n"
    assert [front.run(cells[c], c).status for c in "abcdef"] == ["hit"] * 6
    front.restart()
    front.document(**cells)
    assert front.run(cells["f"] + "\nprint(1)", "f").text() == "1 [1] [1]\n1\n"
