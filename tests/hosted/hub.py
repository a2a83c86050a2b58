"""A real JupyterHub on this machine's loopback, and its users as their browsers see it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import psutil
import websocket

CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.ConfigurableHTTPProxy.pid_file = {folder!r} + "/proxy.pid"
c.JupyterHub.db_url = "sqlite:///" + {folder!r} + "/hub.sqlite"
c.JupyterHub.cookie_secret_file = {folder!r} + "/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "the same for all"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {folder!r} + "/home/{{username}}"
c.Spawner.cmd = {server!r}
c.Spawner.args = ["--allow-root", *{arguments!r}]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 150
"""
PASSWORD = "the same for all"
PATIENCE = 180.0


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for each in held:
        each.close()
    return ports


class Hub:
    """The hub with its proxy; `stop` ends them and every server and kernel below them."""

    def __init__(self, folder: Path, proxy: str, arguments: list[str]) -> None:
        self.folder, ports = folder, free_ports(3)
        self.url = f"http://127.0.0.1:{ports[0]}"
        beside = Path(sys.executable).parent
        text = CONFIG.format(
            ports=ports,
            proxy=[proxy],
            folder=str(folder),
            server=[str(beside / "jupyterhub-singleuser")],
            arguments=arguments,
        )
        (folder / "config.py").write_text(text)
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("STRATA_", "JUPYTER"))}
        environ["PATH"] = f"{beside}{os.pathsep}{environ['PATH']}"
        self._log = (folder / "hub.log").open("wb")
        self.process = psutil.Popen(
            [str(beside / "jupyterhub"), "-f", "config.py"],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def wait(self) -> None:
        """Wait until the hub answers through its proxy."""
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            try:
                if httpx.get(f"{self.url}/hub/api", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)

    def log(self) -> str:
        return (self.folder / "hub.log").read_text("utf-8", "replace")

    def stop(self) -> list[str]:
        """End the hub, which ends what it started; return what it left, and end that too."""
        below = self.process.children(recursive=True)
        self.process.terminate()
        _, left = psutil.wait_procs([self.process, *below], timeout=60)
        names = [str(each) for each in left]
        for each in left:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(left, timeout=10)
        self._log.close()
        return names


class User:
    """Somebody who logs in, and has a server, a kernel, and a notebook with one cell."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub, self.name = hub, name
        self.home = hub.folder / "home" / name
        self.browser = httpx.Client(base_url=hub.url, follow_redirects=True, timeout=60)
        self.kernel = ""

    def log_in(self) -> None:
        self.browser.get("/hub/login")
        form = {"username": self.name, "password": PASSWORD, "_xsrf": self._xsrf("/hub/")}
        answer = self.browser.post("/hub/login", data=form, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        answer = self.browser.post(
            f"/hub/api/users/{self.name}/tokens", headers={"X-XSRFToken": self._xsrf("/hub/")}, json={}
        )
        assert answer.status_code == 201, answer.text
        self.token = answer.json()["token"]
        self.api = httpx.Client(base_url=self.hub.url, headers={"Authorization": f"token {self.token}"}, timeout=60)

    def _xsrf(self, path: str) -> str:
        return next(c.value or "" for c in self.browser.cookies.jar if c.name == "_xsrf" and c.path == path)

    def start_server(self) -> None:
        assert self.api.post(f"/hub/api/users/{self.name}/server").status_code in (201, 202)
        deadline = time.monotonic() + PATIENCE
        while not self.api.get(f"/hub/api/users/{self.name}").json()["servers"].get("", {}).get("ready"):
            assert time.monotonic() < deadline, self.hub.log()
            time.sleep(0.3)

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        answer = self.api.request(method, f"/user/{self.name}/{path}", json=content)
        assert answer.status_code < 300, (answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def open_notebook(self, source: str) -> None:
        cell = {"cell_type": "code", "id": "one", "source": source, "metadata": {}, "outputs": []}
        content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{**cell, "execution_count": None}]}
        self.ask("PUT", "api/contents/n.ipynb", {"type": "notebook", "content": content})
        session = {"path": "n.ipynb", "name": "n.ipynb", "type": "notebook", "kernel": {"name": "strata"}}
        self.kernel = self.ask("POST", "api/sessions", session)["kernel"]["id"]

    def restart_kernel(self) -> None:
        self.ask("POST", f"api/kernels/{self.kernel}/restart")

    def run(self, source: str) -> dict[str, Any]:
        """Run the notebook's cell over the websocket and return the reply."""
        address = f"{self.hub.url.replace('http', 'ws', 1)}/user/{self.name}/api/kernels/{self.kernel}/channels"
        link = websocket.create_connection(address, timeout=120, header=[f"Authorization: token {self.token}"])
        try:
            header = {"msg_id": uuid.uuid4().hex, "session": uuid.uuid4().hex, "username": self.name}
            header |= {"msg_type": "execute_request", "version": "5.3", "date": "2026-01-01T00:00:00Z"}
            content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False}
            message = {"header": header, "parent_header": {}, "metadata": {"cellId": "one"}, "content": content}
            link.send(json.dumps({**message, "channel": "shell", "buffers": []}))
            while True:
                got = json.loads(link.recv())
                if (got["msg_type"], got["parent_header"].get("msg_id")) == ("execute_reply", header["msg_id"]):
                    found: dict[str, Any] = got
                    return found
        finally:
            link.close()

    def close(self) -> None:
        self.browser.close()
        if hasattr(self, "api"):
            self.api.close()
