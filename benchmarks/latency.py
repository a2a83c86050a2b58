"""What the cache adds to a cell that must run, and how fast a hit is answered; over ZMQ, as frontends see it."""

from __future__ import annotations

import statistics
import time
import uuid
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

from benchmarks.bench import Figure, environment, workplace

TIMEOUT = 120
WARMING = 5
LIBRARIES = "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import Ridge"


class Frontend:
    """One kernel, told of a document as JupyterLab with the extension would tell it."""

    def __init__(self, kernel: str, store: Path, cwd: Path) -> None:
        self.manager = KernelManager(kernel_name=kernel)
        self.manager.start_kernel(cwd=str(cwd), env=environment(store))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT)

    def document(self, sources: list[str]) -> None:
        """Open the comm and send all cells in order."""
        comm = uuid.uuid4().hex
        cells = [{"id": f"c{i}", "kind": "code", "source": s} for i, s in enumerate(sources)]
        hello = {"type": "hello", "protocol": 1, "path": "latency.ipynb"}
        document = {"type": "document", "revision": 1, "cells": cells, "variants": {}}
        self.send("comm_open", {"comm_id": comm, "target_name": "strata", "data": hello})
        self.send("comm_msg", {"comm_id": comm, "data": document})
        # Whatever the kernel does with the document is done before the first cell is timed.
        self.reply(self.client.kernel_info())

    def send(self, kind: str, content: dict[str, Any], **metadata: Any) -> str:
        """Send a message on the shell channel and return its id."""
        message = self.client.session.msg(kind, content, metadata=metadata)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def execute(self, place: int, source: str) -> tuple[float, str | None]:
        """Run a cell; return the milliseconds until its reply, and what the cache says of it."""
        content = {
            "code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True,
        }  # fmt: skip
        start = time.perf_counter()
        sent = self.send("execute_request", content, cellId=f"c{place}")
        reply = self.reply(sent)
        elapsed = (time.perf_counter() - start) * 1000
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"{source!r}: {reply['content']}")
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") == sent and message["content"].get("execution_state") == "idle":
                break
        return elapsed, reply["metadata"].get("strata", {}).get("status")

    def reply(self, sent: str) -> dict[str, Any]:
        """Wait for the reply to a message."""
        while True:
            message: dict[str, Any] = self.client.get_shell_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") == sent:
                return message

    def stop(self) -> None:
        """End the kernel in order."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)


def latency(quick: bool) -> list[Figure]:
    """Drive both kernels through the same trivial cells in turn, and Strata's once more when all of them hit."""
    count = 40 if quick else 200
    trivial = [f"v{i} = {i} * 3" for i in range(count)]
    with workplace() as folder:
        miss, plain = against(folder, "bare", trivial)
        hit, _ = against(folder, "bare", trivial, status="hit")
        laden = [LIBRARIES, *trivial[1:]]
        laden_miss, laden_plain = against(folder, "laden", laden)
    return [
        Figure("latency that a miss adds to a trivial cell", miss - plain, 3, " ms", told(miss, plain)),
        Figure(
            "the same with pandas and scikit-learn imported",
            laden_miss - laden_plain, 3, " ms", told(laden_miss, laden_plain),
        ),
        Figure("reply of a hit", hit, 5, " ms", f"a miss takes {plain:.1f} ms in ipykernel"),
    ]  # fmt: skip


def told(ours: float, theirs: float) -> str:
    """Return both sides in words."""
    return f"{ours:.1f} ms against {theirs:.1f} ms"


def against(folder: Path, store: str, sources: list[str], status: str = "ran") -> tuple[float, float]:
    """Return the median milliseconds until the reply of Strata's kernel and of ipykernel."""
    ours, theirs = Frontend("strata", folder / store, folder), Frontend("python3", folder / store, folder)
    try:
        ours.document(sources)
        found: tuple[list[float], list[float]] = ([], [])
        for place, source in enumerate(sources):
            milliseconds, said = ours.execute(place, source)
            if said != status:
                raise RuntimeError(f"{source!r} should have {status}, but the kernel says {said}")
            plain, _ = theirs.execute(place, source)
            if place >= WARMING:
                found[0].append(milliseconds)
                found[1].append(plain)
        return statistics.median(found[0]), statistics.median(found[1])
    finally:
        ours.stop()
        theirs.stop()
