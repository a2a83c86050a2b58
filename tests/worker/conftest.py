"""A real worker process for each test that asks, and kernels that know it."""

import asyncio
import concurrent.futures
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

TOKEN = "correct horse"
GPU = "# @worker gpu\n"


class WorkerProcess:
    """One `strata worker`."""

    def __init__(self, folder, *options, token=TOKEN, **variables):
        self.folder, self.token = folder, token
        folder.mkdir(parents=True, exist_ok=True)
        words = ["worker", "--port", "0", "--work-dir", str(folder / "work"), *options]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_")} | variables
        if token:
            words += ["--token-env", "WORKER_TOKEN"]
            environ["WORKER_TOKEN"] = token
        self.log = (folder / "log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "strata_kernel.cli", *words],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environ,
        )
        line = self.process.stdout.readline()
        assert line, self.logged()
        self.url = re.search(r"http://\S+", line)[0]

    def logged(self):
        return (self.folder / "log").read_text()

    def client(self, **options):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60, **options)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(60)
        self.process.stdout.close()
        self.log.close()


class Link:
    """A slow line to a worker: so many bytes a second pass in either direction once `rate` is set."""

    def __init__(self, url):
        self.rate, self.passed = 0, 0
        self._there = int(url.rpartition(":")[2])
        self._loop, self._ended = None, asyncio.Event()
        started = concurrent.futures.Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)))
        self._thread.start()
        self.url = f"http://127.0.0.1:{started.result(10)}"

    async def _serve(self, started):
        self._loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        # Else the system takes most of what is sent at once, however slowly it is passed on.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        server = await asyncio.start_server(self._join, sock=listener)
        started.set_result(server.sockets[0].getsockname()[1])
        await self._ended.wait()

    async def _join(self, reader, writer):
        there = await asyncio.open_connection("127.0.0.1", self._there)
        await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer), return_exceptions=True)

    async def _pass(self, reader, writer):
        try:
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()
                self.passed += len(piece)
                if self.rate:
                    await asyncio.sleep(len(piece) / self.rate)
        finally:
            writer.close()

    def stop(self):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()


@pytest.fixture
def worker(tmp_path):
    """Make workers that are stopped at the end."""
    made = []

    def make(*options, **more):
        made.append(WorkerProcess(tmp_path / f"worker{len(made)}", *options, **more))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def declare(folder, **workers):
    """Write the workers into the folder's settings."""
    lines = []
    for name, url in workers.items():
        lines += ["[[workers]]", f'name = "{name}"', f'config = {{ url = "{url}", token_env = "MY_WORKER" }}']
    (folder / "strata.toml").write_text("\n".join(lines) + "\n")


@pytest.fixture
def near(frontend, worker, tmp_path):
    """A kernel with a worker called gpu."""

    def make(*options):
        made = worker(*options)
        declare(tmp_path, gpu=made.url)
        front = frontend(MY_WORKER=TOKEN)
        front.worker = made
        return front

    return make


def until(test, seconds=30):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)
