"""A store that fails while the kernel runs costs one warning and nothing else; at its end a kernel collects."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

#: The thread that answers to the shutdown is held up; what is registered last is done first at the end.
LATE = """
import atexit, time
kernel = get_ipython().kernel
publish = kernel._publish_status
def late(status, channel, parent=None):
    if (status, channel) == ("idle", "control"):
        time.sleep(1)
    return publish(status, channel, parent)
kernel._publish_status = late
def note(control=kernel.parent.control_thread):
    with open("noted.txt", "w") as file:
        file.write("running" if control.is_alive() else "ended")
atexit.register(note)
"""
BIG = "import os\ndata{n} = os.urandom(3_000_000)\nprint('ran {n}')"


def play(front, count=4, pause=0.3):
    """Run cells and return all that came on stderr."""
    said = []
    for n in range(count):
        got = front.run(BIG.format(n=n), f"c{n}")
        assert got.error is None
        assert got.text("stdout") == f"ran {n}\n"
        said.append(got.text("stderr"))
        time.sleep(pause)
    assert front.value(f"len(data{count - 1})") == "3000000"
    return "".join(said)


def check_one_warning(front, said):
    assert said.count("\n") == 1, said
    assert said.startswith("strata: ")
    again = front.run("len(data0)", "last")
    assert again.text() == "3000000\n"
    front.stop = lambda: None
    front.client.stop_channels()
    front.manager.shutdown_kernel(now=False)
    assert "Traceback" not in front.logged()


@pytest.fixture
def mounted(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_full_disk(frontend, mounted):
    front = frontend(mounted / "store")
    check_one_warning(front, play(front))


def test_read_only(frontend, mounted):
    (mounted / "store").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    front = frontend(mounted / "store")
    check_one_warning(front, play(front))


def test_a_file_stands_in_its_place(frontend, tmp_path):
    (tmp_path / "taken").write_text("")
    front = frontend(tmp_path / "taken" / "store")
    check_one_warning(front, play(front))


def test_deleted_while_running(frontend, tmp_path):
    front = frontend()
    front.document(a="x = [1]", b="x.append(2)\nx", c="x")
    front.run("x = [1]", "a")
    front.run("x.append(2)\nx", "b")
    time.sleep(0.5)
    shutil.rmtree(tmp_path / "store")
    assert front.run("x.append(2)\nx", "b").text() == "[1, 2]\n"
    assert front.run("x", "c").text() == "[1, 2]\n"
    assert front.run("x", "c").text() == "[1, 2]\n"
    assert front.run("x", "c").text("stderr") == ""


def test_tells_that_it_ends_before_it_does(frontend, tmp_path):
    front = frontend()
    front.run(LATE, "a")
    front.restart()
    [noted] = tmp_path.rglob("noted.txt")
    assert noted.read_text() == "ended"


def test_collects_at_the_end(frontend, tmp_path):
    store = tmp_path / "store"
    front = frontend(STRATA_CACHE_MAX_BYTES="1000000")
    front.run(BIG.format(n=0), "a")
    front.restart()
    stamp = store / "refs" / "collected"
    assert stamp.exists()
    before = stamp.stat().st_mtime_ns
    assert list(Path(store, "refs", "leases").iterdir()), "a running kernel holds a lease"
    front.restart()
    assert stamp.stat().st_mtime_ns == before, "once an hour is enough"
