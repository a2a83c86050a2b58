"""Kernels for the laws: started by fork from a warm process, driven by a frontend that knows the document."""

import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from queue import Empty

from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

from .oracle import PROBE, View

TIMEOUT = float(os.environ.get("LAWS_TIMEOUT", "40"))
ROOT = Path(
    os.environ.get("LAWS_ROOT") or Path(__file__).parents[2]
)  # LAWS_ROOT: a snapshot of the tree to test instead


class KernelDied(Exception):
    """The kernel under test ended or hung."""


def kernel_spec(kernel):
    """The installed spec of a kernel; for one of this repository that is not installed, the spec in the tree."""
    try:
        return KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel:
        return KernelSpec.from_resource_dir(str(ROOT / "strata_kernel" / "kernelspec"))


class KernelStuck(KernelDied):
    """The kernel did not end when it was told to; plain ipykernel 7 does so now and then under load."""


class Nursery:
    """Starts kernels: by fork from a warm process, or as any frontend does when LAWS_SPAWN=plain."""

    def __init__(self, kernel):
        self.spec = kernel_spec(kernel)
        self.process, self.folder = None, Path(tempfile.mkdtemp(prefix="k"))
        self.forks = os.environ.get("LAWS_SPAWN") != "plain" and self.spec.argv[1:2] == ["-m"]
        self.children = []

    def environment(self, store, extra):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("STRATA_", "JPY_"))}
        path = os.pathsep.join([str(PROBE), str(ROOT)])
        env |= {
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": path,
            "MPLBACKEND": "Agg",
            **self.spec.env,
        }
        return env | ({"STRATA_CACHE_STORE": str(store)} if store else {}) | extra

    def start(self, world, store, extra):
        """Start a kernel in a world on a store; return its process id, connection file and log."""
        name = uuid.uuid4().hex[:10]
        connection, log = self.folder / f"{name}.json", self.folder / f"{name}.log"
        write_connection_file(
            str(connection),
            ip=str(self.folder / name),
            transport="ipc",
            shell_port=1,
            iopub_port=2,
            stdin_port=3,
            hb_port=4,
            control_port=5,
            key=name.encode(),
            kernel_name="laws",
        )
        env = self.environment(store, extra)
        if self.forks:
            return self.fork(connection, world, env, log), connection, log
        argv = [a.replace("{connection_file}", str(connection)) for a in self.spec.argv]
        argv[0] = sys.executable if argv[0].startswith("python") else argv[0]
        with log.open("ab") as out:
            child = subprocess.Popen(
                argv, cwd=world, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        self.children.append(child)
        return child.pid, connection, log

    def fork(self, connection, world, env, log):
        if self.process is None or self.process.poll() is not None:
            own = (
                ["strata_kernel.kernel.kernel", "strata_kernel.codecs.values", "strata_kernel.kernel.bridge"]
                if self.spec.argv[2] == "strata_kernel.kernel"
                else []
            )
            self.process = subprocess.Popen(
                [sys.executable, str(PROBE / "strata_laws_kernels.py"), *own],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self.environment(None, {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}),
                text=True,
            )
        request = {
            "module": self.spec.argv[2],
            "connection": str(connection),
            "cwd": str(world),
            "env": env,
            "log": str(log),
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["pid"]

    def alive(self, pid):
        for child in self.children:
            child.poll()
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(10)
        for file in self.folder.iterdir():
            file.unlink(missing_ok=True)
        self.folder.rmdir()


class Frontend:
    """One kernel process, one document, and what each of its cells shows. It survives its kernels: restart() takes a new one."""

    def __init__(self, nursery, world, store, env):
        self.nursery, self.world, self.store, self.env = nursery, world, store, dict(env)
        self.ids, self.revision, self.view, self.status, self.reasons = [], 0, View(), {}, {}
        self.start()

    def start(self):
        self.pid, self.connection, self.log = self.nursery.start(self.world, self.store, self.env)
        self.client = BlockingKernelClient(connection_file=str(self.connection))
        self.client.load_connection_file()
        self.client.start_channels()
        self.ready = False
        #: Whether the kernel has said that what was done to its process cannot be undone: values may be others from then on.
        self.tainted = False

    def wait(self):
        """Let the kernel come up; put off until it is needed, so that kernels start side by side."""
        if self.ready:
            return
        deadline = time.monotonic() + TIMEOUT
        heard = False
        while not heard:
            asked = self.client.kernel_info()
            while self.message(self.client.get_shell_msg, deadline)["parent_header"].get("msg_id") != asked:
                pass
            # What a kernel publishes before the subscription reaches it is lost: ask until something is heard.
            with contextlib.suppress(Empty):
                heard = bool(self.client.get_iopub_msg(timeout=0.2))
        self.ready = True
        self.comm = uuid.uuid4().hex
        self.send(
            "comm_open",
            {
                "comm_id": self.comm,
                "target_name": "strata",
                "data": {"type": "hello", "protocol": 1, "path": "case.ipynb"},
            },
        )

    def message(self, channel, deadline):
        while True:
            with contextlib.suppress(Empty):
                return channel(timeout=0.5)
            if not self.nursery.alive(self.pid):
                raise KernelDied(f"the kernel process ended: {self.tail()}")
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGUSR1)  # a forked kernel writes into its log where it stands
                time.sleep(0.5)
                raise KernelDied(f"no answer within {TIMEOUT:.0f} s: {self.tail()}")

    def tail(self):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text[-2500:].strip()

    def stop(self, gently=True):
        """End the kernel: through a shutdown request, or by SIGKILL."""
        if gently and self.nursery.alive(self.pid):
            with contextlib.suppress(KernelDied):
                self.wait()
                self.value("0")  # plain ipykernel can hang when it is told to end while it still reads comm messages
            self.client.control_channel.send(self.client.session.msg("shutdown_request", {"restart": False}))
            deadline = time.monotonic() + TIMEOUT
            while self.nursery.alive(self.pid) and time.monotonic() < deadline:
                time.sleep(0.005)
        stuck = gently and self.nursery.alive(self.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.client.stop_channels()
        self.client.context.destroy(linger=0)
        for leftover in self.connection.parent.glob(self.connection.stem + "*"):
            if leftover != self.log:
                leftover.unlink(missing_ok=True)
        if stuck:
            raise KernelStuck("the kernel did not end on a shutdown request")

    def restart(self, gently=True):
        self.stop(gently)
        self.start()

    def send(self, kind, content):
        self.client.shell_channel.send(self.client.session.msg(kind, content))

    def document(self, cells, variants=None):
        self.wait()
        self.revision += 1
        listed = [{"id": i, "kind": "code", "source": s} for i, s in zip(self.ids, cells, strict=True)]
        self.send(
            "comm_msg",
            {
                "comm_id": self.comm,
                "data": {"type": "document", "revision": self.revision, "variants": variants or {}, "cells": listed},
            },
        )

    def execute(self, cell, source):
        """Run one cell; return the name of its exception, or None."""
        self.wait()
        content = {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        request = self.client.session.msg("execute_request", content, metadata={"cellId": cell})
        self.client.shell_channel.send(request)
        self.view.begin(cell)
        error, deadline = None, time.monotonic() + TIMEOUT
        while True:
            m = self.message(self.client.get_iopub_msg, deadline)
            kind, c = m["msg_type"], m["content"]
            if kind == "comm_msg":
                # What an earlier request ran of this cell comes late: its own run shows it anew.
                if c.get("data", {}).get("id") != cell:
                    self.heard(c.get("data", {}))
            elif m["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            elif kind == "status" and c["execution_state"] == "idle":
                break
            elif kind == "error":
                error = c["ename"]
                self.view.event(cell, "error", error, c["evalue"])
            else:
                self.shown(cell, kind, c)
        reply = self.reply(request)
        decision = reply["metadata"].get("strata", {})
        self.status[cell], self.reasons[cell] = decision.get("status"), decision.get("reasons", ())
        # What display() fails to show is shown as an error, and the cell goes on.
        return error if reply["content"]["status"] != "ok" else None

    def shown(self, cell, kind, c):
        if kind == "stream":
            self.view.event(cell, "stream", c["name"], c["text"])
        elif kind == "clear_output":
            self.view.event(cell, "clear", c["wait"], None)
        elif (
            event := {"display_data": "display", "execute_result": "result", "update_display_data": "update"}.get(kind)
        ) is not None:
            self.view.event(cell, event, c["data"].get("text/plain", ""), c.get("transient", {}).get("display_id"))

    def heard(self, body):
        """Take the outputs that the kernel sends for a cell that it ran on behalf of another."""
        if body.get("type") != "cell-outputs":
            return
        self.view.begin(body["id"])
        for o in body["outputs"]:
            if o["output_type"] == "stream":
                self.view.event(body["id"], "stream", o["name"], "".join(o["text"]))
            elif o["output_type"] == "error":
                self.view.event(body["id"], "error", o["ename"], o["evalue"])
            else:
                kind = "result" if o["output_type"] == "execute_result" else "display"
                self.view.event(body["id"], kind, "".join(o["data"].get("text/plain", "")), None)

    def reply(self, request):
        deadline = time.monotonic() + TIMEOUT
        while True:
            m = self.message(self.client.get_shell_msg, deadline)
            if m["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                return m

    def value(self, expression):
        """Evaluate an expression in the kernel's namespace and return its text, or raise ValueError."""
        self.wait()
        content = {
            "code": "",
            "silent": True,
            "store_history": False,
            "user_expressions": {"v": expression},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        request = self.client.session.msg("execute_request", content)
        self.client.shell_channel.send(request)
        value = self.reply(request)["content"]["user_expressions"]["v"]
        if value["status"] != "ok":
            raise ValueError(f"{value['ename']}: {value['evalue']}")
        return value["data"]["text/plain"]

    def described(self):
        return json.loads(ast.literal_eval(self.value("__import__('strata_laws_describe').render(globals())")))

    def outputs(self, cell):
        return self.view.folded(cell, self.world)
