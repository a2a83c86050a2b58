"""The processes in which cells run: started ahead, used once, ended with all that they started."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from strata_kernel.errors import InvocationError
from strata_kernel.worker.ending import end_tree

#: One line of events: a display may be large, but not without end.
LINE = 1 << 28
#: Seconds in which a process that has told its cell's end ends by itself.
LEAVE = 1.0


class Guest:
    """One process, and the folder that is its world."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.id = folder, folder.name
        self.pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        #: Its exit status, once it has ended.
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.StreamReader(limit=LINE)
        self._transport: asyncio.BaseTransport | None = None
        self._killed = False
        #: Whether it has told the end of its cell, and whether it is known that nothing that it started is left.
        self._over = self.alone = False

    @property
    def cwd(self) -> Path:
        """The folder in which the cell runs."""
        return self.folder / "cwd"

    async def open(self) -> None:
        """Be ready to hear it."""
        descriptor = os.open(self.folder / "events", os.O_RDONLY | os.O_NONBLOCK)
        protocol = asyncio.StreamReaderProtocol(self._reader)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", 0))

    async def give(self, job: bytes) -> None:
        """Hand over what it is to run; nothing lets it end."""
        while not self.ended.done():
            try:
                descriptor = os.open(self.folder / "job", os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                await asyncio.sleep(0.002)  # it does not listen yet
                continue
            written = 0
            with contextlib.suppress(BrokenPipeError, BlockingIOError):
                written = os.write(descriptor, job)
            if written == len(job):  # most fit into the pipe
                os.close(descriptor)
                return
            os.set_blocking(descriptor, True)
            await asyncio.to_thread(_hand_over, descriptor, job[written:])
            return

    async def events(self) -> AsyncIterator[bytes]:
        """Yield its lines until it has ended."""
        while not (self.ended.done() and self._reader.at_eof()):
            reading = asyncio.ensure_future(self._reader.readline())
            either: list[asyncio.Future[Any]] = [reading, self.ended]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                # What it had written before its end is still to be read.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(reading), 1)
            if not reading.done():
                reading.cancel()
                return
            line = reading.result()
            if not line:
                return
            self._over = self._over or line.startswith(b'{"t":"end"')
            yield line

    def interrupt(self) -> None:
        """Interrupt the cell."""
        if self.pid.done() and not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid.result(), signal.SIGINT)

    async def end(self) -> None:
        """End it with all that it started, and take its folder away."""
        if not self._killed:
            self._killed = True
            pid = await self.pid
            if self._over:
                await asyncio.wait([self.ended], timeout=LEAVE)
            # To look for what it may have started means to look at every process of the machine.
            if pid and not (self.ended.done() and self.alone):
                await asyncio.to_thread(end_tree, pid, self.id)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(self.ended), 5)
        if self._transport is not None:
            self._transport.close()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


def _hand_over(descriptor: int, job: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb", 0) as file:
        view = memoryview(job)
        while view:
            view = view[file.write(view) :]


class Guests:
    """Guests that wait for a cell, and the process that they are forked from."""

    def __init__(self, work: Path, store: Path, spare: int, memory: int = 0, python: str = sys.executable) -> None:
        self._work, self._store, self._spare, self._memory, self._python = work, store, spare, memory, python
        self._process: asyncio.subprocess.Process | None = None
        self._all: dict[str, Guest] = {}
        self._waiting: asyncio.Queue[Guest] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self) -> None:
        """Start the process that the others are forked from, and the first of them."""
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True, mode=0o700)
        await self._nursery()
        for _ in range(self._spare):
            await self._order()
        first = next(iter(self._all.values()))
        if not await first.pid:
            raise InvocationError("cells cannot run in this environment; what stands above says why")

    async def take(self) -> Guest:
        """Return a process that waits for its cell."""
        while True:
            if self._process is None or self._process.returncode is not None:
                await self._nursery()
            # What was started ahead may have ended, with what it was started from.
            if self._waiting.empty():
                await self._order()
            guest = self._waiting.get_nowait()
            if not guest.ended.done():
                return guest
            await guest.end()

    def done(self, guest: Guest) -> None:
        """End a process that has run its cell."""
        self._later(self._finish(guest))

    async def close(self) -> None:
        """End them all."""
        self._closing = True
        await asyncio.gather(*(self._finish(guest) for guest in list(self._all.values())), return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        shutil.rmtree(self._work, ignore_errors=True)

    def _later(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, guest: Guest) -> None:
        await guest.end()
        self._all.pop(str(guest.folder), None)
        # Only now: while a cell runs, the machine is its own.
        if self._waiting.qsize() < self._spare:
            await self._order()

    async def _nursery(self) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_")}
        environ |= {"PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        self._process = await asyncio.create_subprocess_exec(
            self._python, "-m", "strata_kernel.kernel.nursery", str(self._store), str(self._memory),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environ, cwd=self._work,
        )  # fmt: skip
        self._later(self._listen(self._process))

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            folder, pid, *ending = line.decode().split()
            guest = self._all.get(folder)
            if guest is None:
                continue  # it was given up before it began
            if not guest.pid.done():
                guest.pid.set_result(int(pid))
            if ending and not guest.ended.done():
                guest.alone = ending[1] == "alone"
                guest.ended.set_result(int(ending[0]))
        for guest in self._all.values():  # whoever forks them is gone, and nobody tells of their end any more
            if not guest.pid.done():
                guest.pid.set_result(0)
            if not guest.ended.done():
                guest.ended.set_result(-1)

    async def _order(self) -> None:
        if self._closing or self._process is None:
            return
        folder = self._work / secrets.token_hex(8)
        (folder / "cwd").mkdir(parents=True, mode=0o700)
        os.mkfifo(folder / "job", 0o600)
        os.mkfifo(folder / "events", 0o600)
        guest = self._all[str(folder)] = Guest(folder)
        await guest.open()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{folder}\n".encode())
        self._waiting.put_nowait(guest)
