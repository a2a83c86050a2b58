"""A JupyterLab of one's own, at a port that the system chooses."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

SECONDS = 120


@contextmanager
def lab(folder: Path, environ: Mapping[str, str], log: Path) -> Iterator[str]:
    """Serve a folder; yield the address, which ends in a slash. What the server says goes to the log."""
    python = shutil.which("python", path=environ["PATH"]) or sys.executable
    command = [python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += ["--ip=127.0.0.1", "--IdentityProvider.token=", "--LabApp.news_url="]
    with log.open("wb") as sink:
        server = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            # It tells its address before it listens there.
            if (found := re.search(r"http://127\.0\.0\.1:(\d+)/", log.read_text())) and _listens(int(found[1])):
                break
            time.sleep(0.1)
        yield found[0]
    finally:
        server.terminate()
        server.wait(30)


def _listens(port: int) -> bool:
    with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=5)):
        return True
    return False
