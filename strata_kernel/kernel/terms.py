"""The terms of one run in this process: variables of its own, and a limit on its time."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from strata_kernel.kernel.interrupt import NAMES
from strata_kernel.kernel.observe import active

#: Seconds that an interrupted cell has before it is interrupted harder, and before the process ends.
AGAIN, LAST = 2.0, 12.0
TIMEOUT = "CellTimeout"


class CellTimeout(BaseException):
    """Raised in a cell that went on after it was interrupted; no `except Exception` holds it."""


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables and put back what stood there, whatever the block did to them."""
    if not variables:
        yield
        return
    with active.exempt():
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
    try:
        yield
    finally:
        with active.exempt():
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


class Limit:
    """A limit on the time of the block: an interrupt, then harder ones, and at last the end of the process.

    `namespace` tells the user's code; `wake` lets the event loop see what an interrupt left for it.
    """

    def __init__(self, seconds: float | None, namespace: object, wake: Callable[[], None]) -> None:
        self.seconds, self._namespace, self._wake = seconds, namespace, wake
        self.expired = False
        self._done = threading.Event()

    @property
    def text(self) -> str:
        """What the cell's error says."""
        return f"timed out after {self.seconds:g} s; `# @timeout` sets the limit"

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the time of what the main thread does inside."""
        if self.seconds is None:
            yield
            return
        with active.exempt():
            watcher = threading.Thread(target=self._watch, name="strata-timeout", daemon=True)
            watcher.start()
            # Code that never lets Python's threads run can only be ended from below.
            faulthandler.dump_traceback_later(self.seconds + LAST, exit=True, file=2)
        try:
            yield
        finally:
            while watcher.is_alive():
                # What is on its way must not hit what comes after.
                with contextlib.suppress(CellTimeout, KeyboardInterrupt), active.exempt():
                    self._done.set()
                    watcher.join()
            _raise_in_main(None)
            faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        active.exempt_thread()
        if self._done.wait(self.seconds):
            return
        self.expired = True
        self._interrupt()
        while not self._done.wait(AGAIN):
            # Never in the event loop of a cell that awaits, which would end the kernel.
            if self._runs_cell():
                _raise_in_main(CellTimeout)
            self._interrupt()

    def _interrupt(self) -> None:
        """Interrupt the main thread, and what it waits for."""
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if not self._done.wait(0.05):
            self._wake()

    def _runs_cell(self) -> bool:
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        while frame is not None:
            if frame.f_globals is self._namespace:
                return True
            frame = frame.f_back
        return False


def over(limit: Limit | None, error: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an error, or the reply, as what it is when the time was up."""
    if limit is None or not limit.expired or error.get("ename") not in (*NAMES, TIMEOUT):
        return error
    lines = [f"\x1b[31m{TIMEOUT}\x1b[39m: {limit.text}"]
    return {**error, "ename": TIMEOUT, "evalue": limit.text, "traceback": [*error["traceback"][:-1], *lines]}


def _raise_in_main(kind: type[BaseException] | None) -> None:
    """Raise in the main thread as soon as it runs Python; None takes back what it has not noticed yet."""
    main = ctypes.c_ulong(threading.main_thread().ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(main, None if kind is None else ctypes.py_object(kind))
