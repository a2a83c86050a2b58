"""An interrupt ends what is under way at once, is answered, and leaves nothing wrong behind."""

import time

import pytest

SLOW = "import time\nprint('begun', flush=True)\ntime.sleep(30)\nslow = 1"


def begun(front, text="begun"):
    while True:
        message = front._poll(60)
        assert message is not None, "the cell did not begin"
        if message["msg_type"] == "stream" and text in message["content"]["text"]:
            return


@pytest.fixture
def front(frontend):
    return frontend()


def test_anywhere(front):
    cells = {"a": "xs = [1]", "b": "xs.append(2)\n" + SLOW, "c": "print(xs)"}
    front.document(**cells)
    front.run(cells["a"], "a")
    # in the user's code
    message = front.send(cells["b"], "b")
    begun(front)
    front.manager.interrupt_kernel()
    got = front.finish(message)
    assert (got.error, got.status) == ("KeyboardInterrupt", "ran")
    # in a cell that runs on behalf of another
    cells["b"] = cells["b"].replace("30", "20")
    front.document(**cells)
    message = front.send(cells["c"], "c")
    front.hear(lambda d: d.get("state") == "running" and d["id"] == "b")
    time.sleep(0.5)
    start = time.monotonic()
    front.manager.interrupt_kernel()
    got = front.finish(message)
    assert got.error == "KeyboardInterrupt"
    assert time.monotonic() - start < 15
    cells["b"] = cells["b"].replace("sleep(20)", "sleep(0)")
    front.document(**cells)
    assert front.run(cells["c"], "c").text() == "[1, 2]\n"
    assert front.value("xs") == "[1, 2]"
    # while awaiting
    message = front.send("import asyncio\nprint('begun', flush=True)\nawait asyncio.sleep(30)", "e")
    begun(front)
    front.manager.interrupt_kernel()
    assert front.finish(message).error in ("KeyboardInterrupt", "CancelledError")
    # in a silent request
    message = front.send("import time; print('begun', flush=True); time.sleep(30)", silent=True)
    time.sleep(1)
    front.manager.interrupt_kernel()
    assert front.finish(message).error == "KeyboardInterrupt"
    # with nothing to interrupt
    front.manager.interrupt_kernel()
    assert front.run(cells["c"], "c").text() == "[1, 2]\n"


def test_while_restoring(front):
    """A value that takes long to load: the interrupt is answered, and the next run is right."""
    make = "import time\nclass Slow:\n    time.sleep(2)"
    cells = {"a": make, "b": "s = Slow()\ns.v = 7", "c": "s.v"}
    for name, source in cells.items():
        front.run(source, name)
    front.restart()
    front.run(make, "a")
    front.run(cells["b"], "b")
    message = front.send("s.v + 1", "d")
    time.sleep(0.7)
    front.manager.interrupt_kernel()
    got = front.finish(message)
    assert got.error in ("KeyboardInterrupt", None)
    again = front.run("s.v + 1", "d")
    assert again.error is None
    assert again.text() == "8\n"


def test_at_random_moments(front):
    """Whatever the moment, there is a reply, and the values that follow are right."""
    for place in range(12):
        source = f"n{place} = list(range(20000))\nn{place}[0] = {place}\nlen(n{place})"
        message = front.send(source, f"r{place}")
        time.sleep(0.002 * place)
        front.manager.interrupt_kernel()
        assert front.finish(message).error in ("KeyboardInterrupt", None)
        # One that comes too late can hit IPython between two cells, which says so on the next one's page and goes on.
        assert front.run(source, f"r{place}").text().endswith("20000\n")
        assert front.value(f"n{place}[0]") == str(place)
