"""The process that worker processes are forked from: all that a cell needs is imported, and nothing has run yet.

It reads the folders of processes to start from standard input, one a line, and answers `folder pid` when one has
started and `folder pid status alone` when it has ended; `folder pid status left` where it, or one before it, may have
left processes behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import selectors
import signal
import sys
from pathlib import Path

from traitlets.config import Config

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.dispatch import Dispatch
from strata_kernel.domain.terms import Terms
from strata_kernel.kernel.guest import Guest, GuestKernel, restore_signals, serve
from strata_kernel.store import LocalStore

#: Lets a process end with the one that it was forked from, however that ends.
_PR_SET_PDEATHSIG = 1
#: Makes whatever loses its parent below this process a child of this one.
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def main() -> None:
    """Fork for every line until standard input ends."""
    store, memory = LocalStore(Path(sys.argv[1])), int(sys.argv[2])
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    kernel = GuestKernel(config=_configuration())
    # Whatever is printed from here on is no answer.
    orders, answers = os.dup(0), os.dup(1)
    _become_nothing()
    _rehearse(kernel, store)
    noticed, notify = os.pipe()
    os.set_blocking(notify, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(notify, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopts = _LIBC is not None and _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1) == 0
    folders: dict[int, str] = {}
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        selector.register(noticed, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == noticed:
                    os.read(noticed, 4096)
                    _bury(folders, answers, adopts=adopts)
                    continue
                chunk = os.read(orders, 65536)
                if not chunk:
                    _end_all(folders)
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    folder = line.decode()
                    pid = os.fork()
                    if pid == 0:
                        selector.close()
                        _child(kernel, folder, store, memory, (orders, answers, noticed, notify))
                    folders[pid] = folder
                    os.write(answers, f"{folder} {pid}\n".encode())


def _configuration() -> Config:
    configuration = Config()
    # Its thread would not live in the processes that are forked.
    configuration.HistoryManager.enabled = False
    return configuration


def _rehearse(kernel: GuestKernel, store: LocalStore) -> None:
    """Run a cell that does nothing, so that no other has to wait for what the first one loads."""
    send, count = kernel.session.send, kernel.shell.execution_count
    dispatch = Dispatch(id="0" * 32, cell=Cell("rehearsal", "rehearsal = [None]\nprint()"), terms=Terms())
    told: list[dict[str, object]] = []
    guest = Guest(kernel, dispatch, store, told.append)
    asyncio.run(guest.run())
    if told[-1].get("error") is not None:
        raise SystemExit(f"strata worker: cells do not run here: {told[-1]['error']}")
    kernel.listen(lambda event: None)
    kernel.session.send, kernel.shell.execution_count = send, count
    kernel.shell.user_ns.pop("rehearsal", None)
    gc.collect()
    # What is never collected is never written to, and stays shared with the processes that are forked.
    gc.freeze()


def _become_nothing() -> None:
    empty = os.open(os.devnull, os.O_RDWR)
    os.dup2(empty, 0)
    os.dup2(2, 1)


def _end_all(folders: dict[int, str]) -> None:
    """Leave no cell behind when the worker is gone."""
    for pid in folders:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _bury(folders: dict[int, str], answers: int, *, adopts: bool) -> None:
    ended: list[tuple[int, int]] = []
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(found)
    gone = [(pid, folders.pop(pid), status) for pid, status in ended if pid in folders]
    # What a process has started became a child of this one before the process could be waited for.
    left = "alone" if gone and adopts and _children() == folders.keys() else "left"
    for pid, folder, status in gone:
        os.write(answers, f"{folder} {pid} {os.waitstatus_to_exitcode(status)} {left}\n".encode())


def _children() -> set[int] | None:
    """Return the children of this process, None where that is not told."""
    found: set[int] = set()
    try:
        for thread in os.listdir("/proc/self/task"):
            found.update(map(int, Path(f"/proc/self/task/{thread}/children").read_text("ascii").split()))
    except OSError:
        return None
    return found


def _child(kernel: GuestKernel, folder: str, store: LocalStore, memory: int, descriptors: tuple[int, ...]) -> None:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        restore_signals()
        for descriptor in descriptors:
            os.close(descriptor)
        os.setsid()
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        place = Path(folder)
        os.environ["STRATA_EXECUTION"] = place.name
        os.chdir(place / "cwd")
        # Where a kernel looks first: the folder in which it runs.
        sys.path[0] = ""
        serve(kernel, place, store, memory)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
