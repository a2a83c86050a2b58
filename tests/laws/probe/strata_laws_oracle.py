"""The oracle's server: a warm process that forks once per program, so that each program meets a fresh interpreter cheaply.

One JSON request a line on stdin, one JSON answer a line on stdout.
"""

import contextlib
import functools
import gc
import hashlib
import io
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback

import strata_laws_describe
import strata_laws_kinds
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

TIMEOUT = 5
EVENTS = []


class Stream:
    """A text stream that files what is written among the other events."""

    encoding, errors, closed, line_buffering = "utf-8", "replace", False, False

    def __init__(self, name):
        self.name = f"<{name}>"
        self.channel = name

    def write(self, text):
        EVENTS.append(["stream", self.channel, text])
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        pass

    def isatty(self):
        return False

    def writable(self):
        return True


class Publisher(DisplayPublisher):
    """Display calls as events."""

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **kwargs):
        EVENTS.append(
            ["update" if update else "display", data.get("text/plain", ""), (transient or {}).get("display_id")]
        )

    def clear_output(self, wait=False):
        EVENTS.append(["clear", wait, None])


class Hook(DisplayHook):
    """The value of a cell's last expression as an event."""

    failed = None  # the exception that this value's display raised, which ipykernel counts as the cell's own

    def __call__(self, result=None):
        begun = len(EVENTS)
        super().__call__(result)
        errors = [name for kind, name, _ in EVENTS[begun:] if kind == "error"]
        Hook.failed = errors[-1] if errors else Hook.failed

    def start_displayhook(self):
        pass

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        EVENTS.append(["result", format_dict.get("text/plain", ""), None])

    def finish_displayhook(self):
        pass


class Shell(InteractiveShell):
    """IPython without terminal, history or kernel."""

    display_pub_class = Type(Publisher)
    displayhook_class = Type(Hook)

    def showtraceback(self, exc_tuple=None, **kwargs):
        kind, value, _ = self._get_exc_info(exc_tuple)
        EVENTS.append(["error", kind.__name__, str(value)])

    def _format_exception_for_storage(self, exception, *args, **kwargs):
        return ""  # nobody looks at it, and it takes longer than all the rest

    def showsyntaxerror(self, filename=None, running_compiled_code=False):
        self.showtraceback()

    def system(self, cmd):
        self.user_ns["_exit_code"] = self.system_piped(cmd)

    def init_io(self):
        pass


def listing(world):
    found = {}
    for root, folders, names in os.walk(world):
        folders[:] = sorted(d for d in folders if d not in ("__pycache__", ".ipynb_checkpoints"))
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, world)] = f.read().decode("latin-1")
        for name in folders:
            found[os.path.relpath(os.path.join(root, name), world) + "/"] = ""
    return found


def generators():
    """The states of the two generators that a process has from the start, as digests."""
    kind, words, *rest = sys.modules["numpy"].random.get_state()
    states = (__import__("random").getstate(), (kind, words.tobytes(), rest))
    return [hashlib.sha1(repr(state).encode()).hexdigest() for state in states]


def moved(fresh):
    return [now if now != then else "" for now, then in zip(generators(), fresh, strict=True)]


def noted(fresh):
    """Return a list that will have the states of the generators before each seeding: an earlier draw leaves no other trace."""
    states = []
    for module, name in (
        ("random", "seed"),
        ("random", "setstate"),
        ("numpy.random", "seed"),
        ("numpy.random", "set_state"),
    ):
        setattr(
            sys.modules[module], name, before(getattr(sys.modules[module], name), lambda: states.append(moved(fresh)))
        )
    return states


def before(call, note):
    @functools.wraps(call)
    def noting(*args, **kwargs):
        note()
        return call(*args, **kwargs)

    return noting


def play(shell, request, world):
    """Run the cells in this (forked) process."""
    os.chdir(world)
    os.environ.update(request["env"])
    sys.path.insert(0, "")
    sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
    # Children would share the generators' states otherwise, and an unseeded draw would look determined.
    __import__("random").seed()
    sys.modules["numpy"].random.seed()
    outputs, error, before = [], None, None
    fresh, drawn = generators(), []
    seeded = noted(fresh)
    player = strata_laws_kinds.Player(shell, request["cells"], request["variants"])
    last = request["upto"]
    for i in range(last + 1):
        EVENTS.clear()
        Hook.failed = None
        if i == last:
            before = listing(world)
        raised = player.run(i)
        outputs.append(list(EVENTS))
        # Two processes that drew from entropy may by chance draw the same: their generators tell them apart.
        drawn.append([*moved(fresh), *seeded])
        if raised is not None:
            error = [i, type(raised).__name__]
            break
        if Hook.failed:
            error = [i, Hook.failed]
            break
    described = strata_laws_describe.describe(shell.user_ns)
    for x in list(shell.user_ns.values()):
        if hasattr(x, "flush") and hasattr(x, "closed"):
            with contextlib.suppress(Exception):
                x.flush()
    return {
        "outputs": outputs,
        "error": error,
        "described": described,
        "files": listing(world),
        "before": before,
        "drawn": drawn,
        "out": sorted(player.roles.out),
        "faulty": player.faulty,
    }


def forked(shell, request, world):
    """Play in a child and read its answer; a child that hangs is killed and reported."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            answer = json.dumps(play(shell, request, world))
        except BaseException:
            answer = json.dumps({"broken": traceback.format_exc()})
        with os.fdopen(writer, "w") as f:
            f.write(answer)
        os._exit(0)
    os.close(writer)
    chunks, deadline = [], time.monotonic() + TIMEOUT
    while True:
        ready, _, _ = select.select([reader], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            chunks = [b'{"broken": "timeout"}']
            break
        chunk = os.read(reader, 1 << 20)
        if not chunk:
            break
        chunks.append(chunk)
    os.close(reader)
    os.waitpid(pid, 0)
    return json.loads(b"".join(chunks) or b'{"broken": "the process died"}')


def warm():
    """Load what pandas and numpy load late, once for all children."""
    import numpy
    import pandas

    frame = pandas.DataFrame({"p": [1, 2], "q": ["x", "y"]})
    frame.query("p > 1").to_csv("/dev/null")
    repr(frame.groupby("q")["p"].sum())
    frame._repr_html_()
    pandas.read_csv(io.StringIO("p,q\n1,x\n"))
    numpy.random.default_rng(0).integers(3)


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in ("numpy", "pandas", "decimal", "dataclasses", "asyncio"):
        __import__(name)
    warm()
    config = Config()
    config.HistoryManager.enabled = False  # its thread and database would not survive a fork
    shell = Shell.instance(config=config)
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        home = tempfile.mkdtemp(prefix="oracle-")
        try:
            # The folder has the name of the world's: programs can see it.
            world, other = (os.path.join(home, k, os.path.basename(request["world"])) for k in ("1", "2"))
            shutil.copytree(request["world"], world, symlinks=True)
            answer = forked(shell, request, world)
            if request["draws"] and "broken" not in answer:
                shutil.copytree(request["world"], other, symlinks=True)
                if forked(shell, request, other) != json.loads(json.dumps(answer).replace(world, other)):
                    answer = {"broken": "not determined: two fresh processes differ"}
            if request["twice"] and "broken" not in answer:
                again = forked(shell, request, world)
                answer["repeatable"] = {**again, "before": None} == {**answer, "before": None}
            answer["world"] = world
        except Exception:
            answer = {"broken": traceback.format_exc()}
        finally:
            shutil.rmtree(home, ignore_errors=True)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
