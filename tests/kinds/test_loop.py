"""Loop cells in a real kernel: each pass has a key of its own, and only what is missing runs."""

import contextlib
import os
import pty
import re
import subprocess
import sys
import termios
import time

import pytest

START = "state = 0"


def loop(body, limit=5, carry="state", until=None, extra=""):
    head = f"# @loop max_iter={limit} carry={carry}{extra}\n"
    return head + (f"# @loop_until {until}\n" if until else "") + body


@pytest.fixture
def kernel(frontend):
    return frontend()


def play(kernel, **cells):
    kernel.document(**cells)
    return {name: kernel.run(source, name) for name, source in cells.items()}


def test_a_loop_runs_its_passes_and_is_served_whole(kernel):
    cells = {
        "a": START,
        "b": loop("print('pass', state)\nstate += 1\nsquare = state ** 2"),
        "c": "print(state, square)",
    }
    first = play(kernel, **cells)
    assert first["b"].text() == "".join(f"pass {k}\n" for k in range(5))
    assert first["b"].status == "ran"
    assert first["c"].text() == "5 25\n"
    again = play(kernel, **cells)
    assert [run.status for run in again.values()] == ["hit"] * 3
    assert again["b"].text() == first["b"].text()
    kernel.restart()
    again = play(kernel, **cells)
    assert [run.status for run in again.values()] == ["hit"] * 3
    assert kernel.run("print(state, square, 'x')", "d").text() == "5 25 x\n"


def test_one_request_is_counted_once(kernel):
    kernel.document(a=START, b=loop("state += 1"))
    assert kernel.run(START, "a").content["execution_count"] == 1
    assert kernel.run(loop("state += 1"), "b").content["execution_count"] == 2
    assert kernel.run("state", "c").content["execution_count"] == 3


RAN = "import os\nwritten = os.write(2, b'ran\\n')\n"


def counted(kernel, **cells):
    """Play the cells and return what became of them, and how many passes really ran."""
    before = kernel.logged().count("ran\n")
    runs = play(kernel, **cells)
    return runs, kernel.logged().count("ran\n") - before


def passes(limit, until=None, extra=""):
    return loop(RAN + "state = state * 3 % 1000003\nprint(state)", limit, until=until, extra=extra)


def test_raising_and_lowering_the_limit_runs_only_what_is_new(kernel):
    cells = {"a": "state = 1", "c": "print(state)"}
    runs, ran = counted(kernel, a=cells["a"], b=passes(40), c=cells["c"])
    assert ran == 40
    runs, ran = counted(kernel, a=cells["a"], b=passes(60), c=cells["c"])
    assert ran == 20
    assert runs["c"].text() == f"{pow(3, 60, 1000003)}\n"
    assert runs["b"].text() == "".join(f"{pow(3, k, 1000003)}\n" for k in range(1, 61))
    assert any("pass 41 of 60" in r["text"] for r in runs["b"].decision["reasons"])
    runs, ran = counted(kernel, a=cells["a"], b=passes(7), c=cells["c"])
    assert ran == 0
    assert runs["b"].status == "hit"
    assert runs["c"].text() == f"{pow(3, 7, 1000003)}\n"
    kernel.restart()
    runs, ran = counted(kernel, a=cells["a"], b=passes(61), c=cells["c"])
    assert ran == 1
    assert runs["c"].text() == f"{pow(3, 61, 1000003)}\n"


def test_editing_the_test_runs_no_pass_that_counts(kernel):
    cells = {"a": "state = 1", "c": "print(state)"}
    runs, ran = counted(kernel, a=cells["a"], b=passes(50, "state > 100000"), c=cells["c"])
    first = next(k for k in range(1, 50) if pow(3, k, 1000003) > 100000)
    assert ran == first
    assert runs["c"].text() == f"{pow(3, first, 1000003)}\n"
    runs, ran = counted(kernel, a=cells["a"], b=passes(50, "state > 1000"), c=cells["c"])
    assert ran == 0
    assert runs["c"].text() == f"{3**7}\n"
    runs, ran = counted(kernel, a=cells["a"], b=passes(50, "state > 100000"), c=cells["c"])
    assert ran == 0
    assert runs["b"].status == "hit"
    assert runs["c"].status == "hit"


def test_an_interrupted_loop_resumes_where_it_was(kernel):
    body = loop(
        RAN + "import time\nif state == 30 and not os.path.exists('go'):\n    time.sleep(60)\nstate += 1\nprint(state)",
        35,
    )
    kernel.document(a=START, b=body, c="state")
    kernel.run(START, "a")
    message = kernel.send(body, "b")
    deadline = time.monotonic() + 60
    while kernel.logged().count("ran\n") < 31 and time.monotonic() < deadline:
        time.sleep(0.05)
    kernel.manager.interrupt_kernel()
    run = kernel.finish(message)
    assert run.error == "KeyboardInterrupt"
    (kernel.folder / "go").touch()
    runs, ran = counted(kernel, a=START, b=body, c="print(state)")
    assert ran == 5
    assert runs["c"].text() == "35\n"
    assert runs["b"].text() == "".join(f"{k}\n" for k in range(1, 36))


def test_a_killed_kernel_loses_no_more_than_what_was_under_way(kernel):
    body = loop(RAN + "import time\nif state == 30 and not os.path.exists('go'):\n    time.sleep(60)\nstate += 1", 35)
    kernel.document(a=START, b=body)
    kernel.run(START, "a")
    kernel.send(body, "b")
    deadline = time.monotonic() + 60
    while kernel.logged().count("ran\n") < 31 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    kernel.manager.shutdown_kernel(now=True)
    kernel.comm = None
    kernel.start()
    (kernel.folder / "go").touch()
    _, ran = counted(kernel, a=START, b=body)
    assert ran == 5


def test_the_body_sees_the_carry_and_what_stood_before_the_loop(kernel):
    body = "seen.append(state)\nstate += 1\nleft = len(seen)\nprint('before' in globals(), left)\nbefore = 1"
    runs = play(kernel, a="state, seen = 0, []", b=loop(body, 3), c="print(state, seen, left, before)")
    assert runs["b"].text() == "False 1\nFalse 1\nFalse 1\n"
    assert runs["c"].text() == "3 [2] 1 1\n"


def test_several_names_and_what_shares_state_with_them_are_carried(kernel):
    top = (
        "class Model:\n    def __init__(self):\n        self.w = [0]\nmodel = Model()\nparameters = model.w\nsteps = 0"
    )
    body = loop("parameters[0] += 1\nsteps += 1", 4, carry="model,steps")
    after = "print(model.w, parameters, model.w is parameters, steps)"
    runs = play(kernel, a=top, b=body, c=after)
    assert runs["c"].text() == "[4] [4] True 4\n"
    kernel.restart()
    runs, _ = counted(kernel, a=top, b=body.replace("max_iter=4", "max_iter=6"), c=after)
    assert runs["c"].text() == "[6] [6] True 6\n"


def test_seeded_draws_go_on_from_pass_to_pass(kernel):
    top = "import random\nrandom.seed(3)\nstate = []"
    runs = play(kernel, a=top, b=loop("state.append(random.random())", 3), c="print(state, random.random())")
    alone = "import random\nrandom.seed(3)\nprint([random.random() for _ in range(3)], random.random())"
    assert runs["c"].text() == play(kernel, x=alone)["x"].text()
    kernel.restart()
    runs = play(kernel, a=top, b=loop("state.append(random.random())", 5), c="print(state, random.random())")
    assert runs["c"].text() == play(kernel, x=alone.replace("range(3)", "range(5)"))["x"].text()


def test_what_cannot_be_saved_is_carried_all_the_same(kernel):
    top = "def count():\n    n = 0\n    while True:\n        n += 1\n        yield n\nstate = count()"
    runs = play(kernel, a=top, b=loop("value = next(state)", 4), c="print(value, next(state))")
    assert runs["c"].text() == "4 5\n"
    runs = play(kernel, a=top, b=loop("value = next(state)", 6), c="print(value, next(state))")
    assert runs["c"].text() == "6 7\n"
    kernel.restart()
    runs = play(kernel, a=top, b=loop("value = next(state)", 7), c="print(value, next(state))")
    assert runs["c"].text() == "7 8\n"


def test_a_class_of_the_body_and_effects_on_the_process(kernel):
    body = "import os\nclass P:\n    def __init__(self, n): self.n = n\nstate = P(getattr(state, 'n', 0) + 1)\nos.environ['STEP'] = str(state.n)"
    after = "import os\nprint(state.n, type(state) is P, os.environ['STEP'])"
    runs = play(kernel, a="state = None", b=loop(body, 3), c=after)
    assert runs["c"].text() == "3 True 3\n"
    kernel.restart()
    runs = play(kernel, a="state = None", b=loop(body, 5), c=after)
    assert runs["c"].text() == "5 True 5\n"


def test_errors_in_the_body_and_in_the_test_are_errors(kernel):
    runs = play(kernel, a=START, b=loop("state += 1\n1 / (3 - state)"))
    assert runs["b"].error == "ZeroDivisionError"
    runs = play(kernel, a=START, b=loop("state += 1", until="state > nowhere"))
    assert runs["b"].error == "NameError"
    runs = play(kernel, a=START, b=loop("state += 1", until="state > 2"), c="print(state)")
    assert runs["c"].text() == "3\n"


def test_files_of_the_passes_come_back(kernel):
    body = loop("with open('log.txt', 'a') as f:\n    print(state, file=f)\nstate += 1", 4)
    read = "print(open('log.txt').read().split())"
    play(kernel, a=START, b=body, c=read)
    assert (kernel.folder / "log.txt").read_text().split() == ["0", "1", "2", "3"]
    (kernel.folder / "log.txt").unlink()
    runs = play(kernel, a=START, b=body, c=read)
    assert (kernel.folder / "log.txt").read_text().split() == ["0", "1", "2", "3"]
    assert runs["c"].text() == "['0', '1', '2', '3']\n"


def test_a_loop_starts_from_a_pass_of_another(kernel):
    cells = {
        "a": START,
        "b": loop("state += 1", 6),
        "c": "state = -100",
        "d": loop("state += 10", 2, extra=" start_from=b@iter=3"),
        "e": "print(state)",
    }
    runs = play(kernel, **cells)
    assert runs["e"].text() == "24\n"
    again = play(kernel, **cells)
    assert [run.status for run in again.values()] == ["hit"] * 5
    runs = play(kernel, **{**cells, "a": "state = 1"})
    assert runs["e"].text() == "25\n"
    runs = play(kernel, **{**cells, "d": loop("state += 10", 2, extra=" start_from=b@iter=9")})
    assert "run that cell so far first" in runs["d"].content["evalue"]


def test_an_edit_above_runs_all_passes_and_progress_is_told(kernel):
    # What ends at once is told as ended, without the way there.
    slow = loop("import time\ntime.sleep(0.1)\nstate *= 3\nprint(state)", 5)
    play(kernel, a="state = 1", b=slow)
    kernel.quiet()
    kernel.document(a="state = 2", b=slow)
    message = kernel.send(slow, "b")
    # What comes meanwhile is kept: the cell's outputs and the progress arrive on one channel.
    assert kernel.finish(message).text() == "6\n18\n54\n162\n486\n"
    told = kernel.hear(lambda d: d.get("type") == "cell-status" and d.get("progress"))
    assert told["progress"]["total"] == 5


def test_headless_a_warm_loop_starts_no_kernel_and_why_tells_the_pass(headless):
    cells = {"a": START, "b": loop("state += 1", 5, until="state > 100"), "c": "state"}
    assert headless.statuses(**cells) == {"a": "ok", "b": "ok", "c": "ok"}
    headless.pool.close()
    assert headless.statuses() == {"a": "cached", "b": "cached", "c": "cached"}
    assert not headless.started
    headless.write(**{**cells, "b": loop("state += 1", 9, until="state > 100")})
    assert "pass 6 of 9: never run with this code" in headless.why("b")


def test_a_terminal_shows_the_pass(headless):
    headless.write(
        a="import time\nstate = 0",
        b="# @name training\n# @loop max_iter=40 carry=state\ntime.sleep(0.05)\nstate += 1",
    )
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    command = [sys.executable, "-m", "strata_kernel.cli", "run", str(headless.path)]
    run = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert run.wait(60) == 0
    passes = [int(n) for n in re.findall(rb"training: (\d+)/40", shown)]
    assert passes == sorted(passes)
    assert len(set(passes)) > 3
    assert re.search(rb"training: \d+/40, [\d.]+ m?s left", shown)
