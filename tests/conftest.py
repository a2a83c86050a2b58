"""A frontend that speaks to a kernel as JupyterLab does: cell ids, the comm, subshells, input."""

import os
import re
import tempfile
import time
import uuid
from queue import Empty

import pytest
from hypothesis import settings
from jupyter_client.manager import KernelManager

# How long an example takes says more of the machine than of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ANSI = re.compile(r"\x1b\[[0-9;]*m")
TIMEOUT = 120


class Frontend:
    """One kernel and one comm; every message that comes is kept."""

    def __init__(self, folder, store, kernel="strata", **env):
        self.folder, self.store, self.kernel = folder, store, kernel
        self.env = {"STRATA_CACHE_STORE": str(store), "STRATA_CACHE_MIN_RUNTIME_MS": "0", **env}
        self.comm, self.said, self.subshell, self.answers, self.revision = None, [], None, [], 0
        self.start()

    def start(self):
        # Sockets in the file system: of the ports that a client chooses, others can take one before the kernel does.
        self.sockets = tempfile.TemporaryDirectory(prefix="strata-", ignore_cleanup_errors=True)
        self.manager = KernelManager(kernel_name=self.kernel, transport="ipc", ip=os.path.join(self.sockets.name, "k"))
        environ = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_") and k != "JPY_SESSION_NAME"}
        self.log = (self.folder / "kernel.log").open("ab")
        self.manager.start_kernel(cwd=str(self.folder), env={**environ, **self.env}, stderr=self.log)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT)

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)
        self.sockets.cleanup()
        self.log.close()

    def restart(self):
        self.stop()
        self.comm = self.subshell = None
        self.start()

    def logged(self):
        return (self.folder / "kernel.log").read_text()

    # The comm

    def hello(self):
        self.comm = uuid.uuid4().hex
        data = {"type": "hello", "protocol": 1, "path": "nb.ipynb"}
        self._send("comm_open", {"comm_id": self.comm, "target_name": "strata", "data": data})

    def tell(self, **data):
        self._send("comm_msg", {"comm_id": self.comm, "data": data})

    def document(self, **cells):
        if self.comm is None:
            self.hello()
        self.revision += 1
        listed = [{"id": i, "kind": "code", "source": s} for i, s in cells.items()]
        self.tell(type="document", revision=self.revision, cells=listed)

    def use_subshell(self):
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        reply = self._reply(self.client.get_control_msg, message)
        self.subshell = reply["content"]["subshell_id"]

    def _send(self, kind, content):
        message = self.client.session.msg(kind, content)
        if self.subshell is not None:
            message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def hear(self, wanted, timeout=TIMEOUT):
        """Wait for the next message of the comm that the predicate or type wants."""
        test = (lambda d: d.get("type") == wanted) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + timeout
        while True:
            for place, data in enumerate(self.said):
                if test(data):
                    del self.said[: place + 1]
                    return data
            if time.monotonic() > deadline:
                raise AssertionError(f"not heard; {self.said}")
            self._poll(0.2)

    def quiet(self, seconds=0.5):
        """Collect what comes until nothing came for a while."""
        last, count = time.monotonic(), -1
        while time.monotonic() - last < seconds:
            self._poll(0.1)
            if len(self.said) != count:
                last, count = time.monotonic(), len(self.said)
        found, self.said = self.said, []
        return found

    def _poll(self, timeout):
        try:
            message = self.client.get_iopub_msg(timeout=timeout)
        except Empty:
            return None
        if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == self.comm:
            self.said.append(message["content"]["data"])
        return message

    # Cells

    def send(self, source, cell=None, *, silent=False, stdin=False, expressions=None, **metadata):
        content = {
            "code": source,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": expressions or {},
            "allow_stdin": stdin,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content)
        message["metadata"] = {**({"cellId": cell} if cell else {}), **metadata}
        self.client.shell_channel.send(message)
        return message

    def finish(self, message):
        """Return the reply, with the outputs, their text, and what was decided beside it."""
        outputs = []
        while True:
            got = self._poll(TIMEOUT)
            assert got is not None, "the kernel does not answer"
            if got["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                break
            if got["msg_type"] not in ("status", "execute_input", "comm_msg"):
                outputs.append((got["msg_type"], got["content"]))
        return self.reply(message, outputs)

    def reply(self, message, outputs=()):
        reply = self._reply(self.client.get_shell_msg, message)
        return Run(reply, list(outputs))

    def run(self, source, cell=None, **options):
        return self.finish(self.send(source, cell, **options))

    def value(self, expression):
        reply = self.run("", silent=True, expressions={"v": expression}).content
        found = reply["user_expressions"]["v"]
        return found["data"]["text/plain"] if found["status"] == "ok" else found["ename"]

    def request(self, kind, **content):
        message = self.client.session.msg(kind, content)
        self.client.shell_channel.send(message)
        return self._reply(self.client.get_shell_msg, message)["content"]

    @staticmethod
    def _reply(get, message):
        while True:
            got = get(timeout=TIMEOUT)
            if got["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return got


class Run:
    """What came of one execute request."""

    def __init__(self, reply, outputs):
        self.content, self.outputs = reply["content"], outputs
        self.decision = reply["metadata"].get("strata") or {}
        self.status, self.error = self.decision.get("status"), self.content.get("ename")
        self.reasons = [r["text"] for r in self.decision.get("reasons", [])]
        self.codes = [r["code"] for r in self.decision.get("reasons", [])]

    def text(self, kind="stream"):
        """The streams and plain results, or those of one stream."""
        shown = []
        for name, content in self.outputs:
            if name == "stream" and kind in ("stream", content["name"]):
                shown.append(content["text"])
            elif "data" in content and kind == "stream":
                shown.append(content["data"].get("text/plain", "") + "\n")
        return ANSI.sub("", "".join(shown))


@pytest.fixture
def frontend(tmp_path):
    """Make frontends that are stopped at the end."""
    made = []

    def make(store=None, **env):
        found = Frontend(tmp_path, store or tmp_path / "store", **env)
        made.append(found)
        return found

    yield make
    for each in made:
        each.stop()
