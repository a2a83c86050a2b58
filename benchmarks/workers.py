"""What a worker on this machine costs: time for a trivial cell, and bytes for a second cell on a large input."""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench import TIMEOUT, Figure, environment, workplace
from benchmarks.latency import WARMING, Frontend, told

AWAY = "# @worker near\n"


class Counter:
    """A wire to the worker that counts the bytes that go there."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            inner, _ = self._listener.accept()
            outer = socket.create_connection(("127.0.0.1", self._port))
            for one, other, counts in ((inner, outer, True), (outer, inner, False)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._carry, args=(one, other, counts), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):  # either end may close first
            while chunk := one.recv(1 << 20):
                if counts:
                    self.sent += len(chunk)
                other.sendall(chunk)
        other.close()


@contextmanager
def worker(folder: Path) -> Iterator[int]:
    """Run a worker and give its port."""
    command = [sys.executable, "-m", "strata_kernel.cli", "worker", "--port", "0", "--work-dir", str(folder / "worker")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(folder / "none")
        )
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def workers(quick: bool) -> list[Figure]:
    """Run trivial cells here and there in turn, then two cells on one large value."""
    count, size = (16, 64) if quick else (40, 256)
    with workplace() as folder, worker(folder) as port:
        counter = Counter(port)
        (folder / "strata.toml").write_text(f'[[workers]]\nname = "near"\nconfig = {{ url = "{counter.url}" }}\n')
        front = Frontend("strata", folder / "store", folder)
        try:
            sources = [(AWAY if i % 2 else "") + f"v{i} = {i} * 3" for i in range(count)]
            large = [f"import os\nblob = os.urandom({size} << 20)", AWAY + "len(blob)", AWAY + "blob[:1] * 2"]
            front.document([*sources, *large])
            times: tuple[list[float], list[float]] = ([], [])
            for place, source in enumerate(sources):
                milliseconds, _ = front.execute(place, source)
                if place >= WARMING:
                    times[place % 2].append(milliseconds)
            front.execute(count, large[0])
            front.execute(count + 1, large[1])
            before = counter.sent
            front.execute(count + 2, large[2])
            second = counter.sent - before
        finally:
            front.stop()
    here, there = statistics.median(times[0]), statistics.median(times[1])
    return [
        Figure("latency that a worker on this machine adds", there - here, 25, " ms", told(there, here)),
        Figure(f"sent for a second cell on the same {size} MB", second / 1000, 100, " kB"),
    ]
