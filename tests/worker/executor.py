"""A published executor written from its description alone: nothing of Strata's is in it, so that it can disagree.

`python executor.py PORT_FILE [TOKEN]` serves until it is ended. A request whose source contains one of the words in
TROUBLE is answered by that trouble instead.
"""

import email.parser
import email.policy
import io
import json
import os
import pathlib
import pickle
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HARNESS = """
import contextlib, io, json, pickle, sys, traceback, ast, os
import cloudpickle
given = pickle.load(sys.stdin.buffer)
space = {}
for name, (kind, content) in given["inputs"].items():
    space[name] = json.loads(content) if kind == "json/object" else pickle.loads(content)
os.environ.update(given["env"])
before = {n: id(v) for n, v in space.items()}
out, err = io.StringIO(), io.StringIO()
files, variables, error, trace, shown = {}, {}, None, None, None
def put(name, value):
    try:
        if isinstance(value, (str, int, float, bool, type(None))):
            content, kind, end = json.dumps(value).encode(), "json/object", ".json"
        else:
            content = pickle.dumps({"__strata_object_codec__": "strata.notebook.object_codec.v1", "codec": "cloudpickle",
                                    "payload": cloudpickle.dumps(value, protocol=5)}, 5)
            kind, end = "pickle/object", ".pickle"
    except Exception as e:
        variables[name] = {"error": str(e), "type": type(value).__name__}
        return
    file = "files/" + ("__display__0" if name == "_" else name) + end
    files[file] = content
    variables[name] = {"content_type": kind, "file": file, "bytes": len(content), "preview": str(value)[:50]}
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    try:
        body = ast.parse(given["source"]).body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), "<cell>", "exec"), space)
        if last is not None:
            shown = eval(compile(ast.Expression(last.value), "<cell>", "eval"), space)
        for name, value in list(space.items()):
            if not name.startswith("_") and before.get(name) != id(value):
                put(name, value)
        if shown is not None:
            put("_", shown)
    except Exception as e:
        error, trace, variables, files = str(e), traceback.format_exc(), {}, {}
pickle.dump((error, trace, variables, files, out.getvalue(), err.getvalue()), sys.__stdout__.buffer)
"""


def bundle(error, trace, variables, files, out, err):
    manifest = {
        "schema_version": "notebook-output-bundle@v1", "success": error is None, "variables": variables,
        "stdout_file": "stdout.txt", "stderr_file": "stderr.txt", "mutation_warnings": [], "error": error,
        "traceback": trace,
    }  # fmt: skip
    members = {"manifest.json": json.dumps(manifest).encode(), "stdout.txt": out.encode(), "stderr.txt": err.encode()}
    return tar({**members, **files})


def tar(members, mode="w", change=lambda member: member):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(change(member), io.BytesIO(content))
    return made.getvalue()


def linked(member):
    if member.name == "manifest.json":
        member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/hostname", 0
    return member


def huge(member):
    made = io.BytesIO()
    member = tarfile.TarInfo("files/strata_kept.pickle")
    member.size = 3 << 30
    made.write(member.tobuf())
    return made.getvalue()


TROUBLE = {
    "OUTSIDE": lambda: (200, tar({"../../outside": b"x"})),
    "ABSOLUTE": lambda: (200, tar({"/tmp/outside": b"x"})),
    "LINKED": lambda: (200, tar({"manifest.json": b"{}"}, change=linked)),
    "HUGE": lambda: (200, huge(None)),
    "NOTAR": lambda: (200, b"not an archive"),
    "EMPTY": lambda: (200, bundle(None, None, {}, {}, "", "")),
    "BUSY": lambda: (503, b'{"detail": "Worker is running 1 of 1 executions"}'),
    "CRASHED": lambda: (500, b'{"success": false, "error": "Harness did not produce a result"}'),
    "SLOW": lambda: (408, b'{"success": false, "error": "Cell timed out"}'),
    "LARGE": lambda: (413, b'{"detail": "too many bytes"}'),
    "DISPLAYS": lambda: (200, displays()),
    "STRANGE": lambda: (400, b'{"detail": "Unsupported transform"}'),
}


def displays():
    told = [
        {"content_type": "text/markdown", "file": "files/__display__0.md"},
        {"error": "it cannot be written", "content_type": "image/png"},
        {"content_type": "json/object", "file": "files/__display__1.json"},
        {"content_type": "image/png", "file": "files/__display__2.png"},
    ]
    manifest = {
        "schema_version": "notebook-output-bundle@v1", "success": False, "variables": {"_": told[-1]}, "displays": told,
        "stdout_file": "stdout.txt", "stderr_file": "stderr.txt", "mutation_warnings": [], "error": "shown",
        "traceback": None,
    }  # fmt: skip
    files = {"__display__0.md": b"*one*", "__display__1.json": b"[2]", "__display__2.png": b"\x89PNG three"}
    return tar({"manifest.json": json.dumps(manifest).encode(), **{f"files/{n}": c for n, c in files.items()}})


#: What jobs answer, one after the other, by the word in a source that asks for one; the last of it again and again.
QUEUED, RUNNING = {"state": "provisioning"}, {"state": "running"}
JOBS = {
    "LATER": [QUEUED, RUNNING, "half", None],
    "FAILED": [QUEUED, {"state": "failed", "status_code": 502, "error": "no machine was to be had"}],
    "OVERTIME": [RUNNING, {"state": "failed", "status_code": 408, "error": "it took too long"}],
    "ODD": [{"state": "finished", "status_code": 200, "result": {}}],
    "NEVER": [QUEUED],
    "ENDLESS": [RUNNING],
}


class Handler(BaseHTTPRequestHandler):
    #: Jobs by their number: the answers to come, and what is run for them; those that were cancelled.
    jobs, cancelled, full, followed = {}, [], set(), []

    protocol_version = "HTTP/1.1"
    token = None

    def log_message(self, *args):
        pass

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 503 and kind != "application/json":
            self.send_header("Retry-After", "0")
        if status == 200 and kind != "application/json":
            self.send_header("X-Strata-Executor-Protocol", "v1")
            self.send_header("X-Strata-Notebook-Executor-Protocol", "notebook-cell-v1")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/v1/jobs/"):
            self.followed.append(self.path)
            left, bundled = self.jobs[self.path]
            told = left.pop(0) if len(left) > 1 else left[0]
            if told is None:
                return self.answer(200, bundled(), "application/x-tar")
            if told == "half":  # the connection breaks in the midst of it
                self.close_connection = True
                self.send_response(200)
                self.send_header("Content-Type", "application/x-tar")
                self.send_header("Content-Length", "100000")
                self.end_headers()
                self.wfile.write(b"x" * 1000)
                return self.connection.shutdown(socket.SHUT_RDWR)
            return self.answer(200, json.dumps(told).encode())
        if self.path in ("/cancelled", "/followed"):
            return self.answer(200, json.dumps(getattr(self, self.path[1:])).encode())
        can = {"protocol_versions": ["v1"], "transform_refs": ["notebook_cell@v1"], "features": {}}
        self.answer(200, json.dumps({"status": "healthy", "capabilities": can, "version": "1.0.0"}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path.endswith("/cancel"):
            self.cancelled.append(self.path)
            return self.answer(200, b'{"build_id": "b", "cancelled": true}')
        if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
            return self.answer(401, b'{"detail": "Invalid worker token"}')
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        found = {
            p.get_param("name", header="content-disposition"): p.get_payload(decode=True) for p in parts.iter_parts()
        }
        metadata = json.loads(found["metadata"])
        assert metadata["protocol_version"] == "v1"
        assert metadata["transform"]["ref"] == "notebook_cell@v1"
        params = metadata["transform"]["params"]
        for word, trouble in TROUBLE.items():
            if word in params["source"]:
                status, content = trouble()
                return self.answer(status, content, "application/x-tar" if status == 200 else "application/json")
        if "FULL" in params["source"] and metadata["build_id"] not in self.full:
            self.full.add(metadata["build_id"])
            return self.answer(503, b'{"detail": "Worker is running 1 of 1 executions"}', "text/plain")
        for word, job in (("ELSEWHERE", "http://127.0.0.1:9/v1/jobs/1"), ("UNREADABLE", "http://[")):
            if word in params["source"]:
                return self.answer(202, json.dumps({"job_url": job}).encode())
        if "VANISH" in params["source"]:
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        given = {
            "source": params["source"], "env": params["env"],
            "inputs": {i["name"]: (i["format"], found[i["name"]]) for i in metadata["inputs"]},
        }  # fmt: skip

        def bundled():
            with tempfile.TemporaryDirectory() as folder:
                ran = subprocess.run(
                    [sys.executable, "-c", HARNESS], input=pickle.dumps(given), stdout=subprocess.PIPE, cwd=folder
                )
            return bundle(*pickle.loads(ran.stdout))

        for word, answers in JOBS.items():
            if word in params["source"]:
                place = f"/v1/jobs/{len(self.jobs)}"
                self.jobs[place] = (list(answers), bundled)
                return self.answer(202, json.dumps({"job_url": place}).encode())
        return self.answer(200, bundled(), "application/x-tar")


if __name__ == "__main__":
    Handler.token = sys.argv[2] if len(sys.argv) > 2 else None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = pathlib.Path(sys.argv[1])
    told.with_suffix(".part").write_text(f"http://127.0.0.1:{server.server_port}")
    os.replace(told.with_suffix(".part"), told)
    sys.stdin.read()
