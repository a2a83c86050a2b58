"""Cells whose inputs a worker fetches, and whose answer it sends, by signed addresses: as a server of others asks."""

import contextlib
import io
import ipaddress
import json
import pickle
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from strata_kernel.worker import outward
from tests.worker.conftest import WorkerProcess, until


class Orchestrator:
    """Has inputs, takes what cells leave, and notes what it is told."""

    def __init__(self):
        self.inputs, self.taken, self.finalized, self.console = {}, [], [], []
        self.answers, self.slow = {}, threading.Event()
        there = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self, status, body=b"{}", **headers):
                self.send_response(there.answers.get(urlsplit(self.path).path, status))
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def do_GET(self):
                if self.path.startswith("/moved"):
                    return self.answer(302, b"", Location=there.url + "/in/x")
                if self.path.startswith("/slow"):
                    there.slow.wait(20)
                name = urlsplit(self.path).path.rpartition("/")[2]
                return self.answer(200, there.inputs[name])

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                place = urlsplit(self.path)
                if place.path == "/finalize":
                    there.finalized.append(json.loads(body))
                    return self.answer(200, b'{"artifact": "a@v=1"}')
                if place.path == "/log":
                    told = parse_qs(place.query)
                    there.console.append((told["sig"][0], told["stream"][0], told["seq"][0], body.decode()))
                    return self.answer(202)
                there.taken.append((self.command, dict(self.headers), body))
                return self.answer(201 if self.command == "PUT" else 200)

            do_PUT = do_POST

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def manifest(self, source, inputs=None, build="b-1", urls=None, output=None, **params):
        specs = {}
        for name, (kind, content) in (inputs or {}).items():
            self.inputs[name] = content
            specs[name] = {"uri": f"strata://artifact/{name}@v=2", "content_type": kind, "file": f"{name}.bin"}
        addresses = {name: f"{self.url}/in/{name}" for name in specs} | (urls or {})
        return {
            "build_id": build,
            "metadata": {
                "build_id": build, "artifact_id": "o", "version": 1, "executor_ref": "notebook_cell@v1",
                "params": {"source": source, "timeout_seconds": 20, "input_specs": specs, "mounts": [], **params},
                "principal": None, "tenant": None,
            },
            "inputs": [{"artifact_id": n, "version": 2, "url": u, "expires_at": 1e10} for n, u in addresses.items()],
            "output": output or {"url": f"{self.url}/out?sig=1", "max_bytes": 1 << 20, "method": "POST"},
            "finalize_url": f"{self.url}/finalize",
            "log_url": f"{self.url}/log?sig=a%2Fb",
        }  # fmt: skip


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    made = WorkerProcess(
        tmp_path_factory.mktemp("ours"), "--allow-hosts", "127.0.0.1, .test", "--max-input-bytes", "200000"
    )
    yield made
    made.stop()


@pytest.fixture
def there():
    made = Orchestrator()
    yield made
    made.slow.set()
    made.server.shutdown()
    made.server.server_close()


def ask(worker, manifest, path="/v1/execute-manifest"):
    with worker.client() as client:
        return client.post(path, json=manifest)


def opened(content):
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    return json.loads(members["manifest.json"]), members


def test_inputs_are_fetched_and_the_answer_is_sent(ours, there):
    inputs = {
        "x": ("json/object", b"20"),
        "xs": ("pickle/object", pickle.dumps([1, 2])),
    }
    source = "import sys\nprint('one')\nprint('two', file=sys.stderr)\ny = 2 * x + len(xs)"
    # Pools of workers ask at another path, and say nothing of what kind it is.
    for path in ("/v1/execute-manifest", "/execute"):
        there.console.clear()
        response = ask(ours, there.manifest(source, inputs), path)
        assert response.status_code == 200, response.text
        method, headers, body = there.taken[-1]
        assert response.json() == {
            "success": True,
            "build_id": "b-1",
            "byte_size": len(body),
            "protocol_version": "notebook-build-manifest@v1",
            "finalize": {"artifact": "a@v=1"},
        }
        assert (method, headers["Content-Type"]) == ("POST", "application/x-tar")
        manifest, members = opened(body)
        assert manifest["success"] is True
        assert json.loads(members["files/y.json"]) == 42
        assert there.finalized[-1] == {"output_format": "notebook-output-bundle@v1"}
        said = {name: "".join(t for s, n, _, t in there.console if n == name) for name in ("stdout", "stderr")}
        assert said == {"stdout": "one\n", "stderr": "two\n"}
        assert {s for s, *_ in there.console} == {"a/b"}
        assert [q for _, n, q, _ in there.console if n == "stderr"] == ["0"]
    with ours.client() as client:
        features = client.get("/health").json()["capabilities"]["features"]
    assert (features["pull_model"], features["cancel"]) == (True, True)


def test_a_cell_that_fails_is_an_answer_too(ours, there):
    assert ask(ours, there.manifest("1 / 0")).status_code == 200
    manifest, members = opened(there.taken[-1][2])
    assert (manifest["success"], json.loads(members["error.json"])["ename"]) == (False, "ZeroDivisionError")


def test_answers_go_as_stores_want_them(ours, there):
    put = {"url": f"{there.url}/out", "method": "PUT", "headers": {"x-ms-blob-type": "BlockBlob"}}
    assert ask(ours, there.manifest("y = 1", output=put)).status_code == 200
    method, headers, body = there.taken[-1]
    assert (method, headers["x-ms-blob-type"], headers["Content-Length"]) == ("PUT", "BlockBlob", str(len(body)))
    assert opened(body)[0]["success"] is True


def test_a_real_store_that_signs(ours, there):
    botocore = pytest.importorskip("botocore.session")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        session = botocore.get_session()
        session.set_credentials("a", "b")
        s3 = session.create_client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1")
        s3.create_bucket(Bucket="cells")
        s3.put_object(Bucket="cells", Key="x", Body=b"41")
        url = s3.generate_presigned_url("get_object", {"Bucket": "cells", "Key": "x"})
        post = s3.generate_presigned_post("cells", "bundle", Conditions=[["content-length-range", 0, 1 << 20]])
        spec = {"x": ("json/object", b"never asked for")}
        manifest = there.manifest("y = x + 1", spec, urls={"x": url}, output={**post, "method": "POST"})
        response = ask(ours, manifest)
        assert response.status_code == 200, response.text
        _, members = opened(s3.get_object(Bucket="cells", Key="bundle")["Body"].read())
        assert json.loads(members["files/y.json"]) == 42
        assert there.taken == []
    finally:
        server.stop()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x",
        "http://[::1]:80/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://localhost/x",
        "http://0.0.0.0/x",
        "http://2130706433/x",
        "http://no-such-host.invalid/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http:///x",
        "http://127.0.0.1\\@10.0.0.1/x",
        "",
        None,
        3,
    ],
)
def test_no_address_of_the_inside_is_asked(ours, there, url):
    spec = {"x": ("json/object", b"1")}
    for manifest in (
        there.manifest("1", spec, urls={"x": url}),
        there.manifest("1", output={"url": url}),
        there.manifest("1") | {"finalize_url": url},
    ):
        response = ask(ours, manifest)
        assert response.status_code == 400, response.text
        assert response.json()["detail"] == response.json()["error"]
    assert there.taken == there.finalized == []


def test_a_name_that_means_another_place_later_is_not_asked(ours, there, monkeypatch):
    """What is asked is what was checked, even where a name changes between the two."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def resolve(self, host, port, **options):
        return [(2, 1, 6, "", (each, port)) for each in answers.pop(0)]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", resolve)

    async def play():
        url = f"http://rebinds.invalid:{there.server.server_port}/in/x"
        await outward.check(url, frozenset())
        async with outward.client(frozenset()) as client:
            with pytest.raises(outward.Forbidden, match="127\\.0\\.0\\.1"):
                await client.get(url)

    import asyncio

    asyncio.run(play())
    assert answers == []


@pytest.mark.parametrize(
    ("place", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("172.16.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("ff02::1", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(place, public):
    assert outward.public(ipaddress.ip_address(place)) is public


def test_what_goes_wrong_is_told_and_nothing_is_finalized(ours, there):
    spec = {"x": ("json/object", b"1")}
    for manifest, status, said in (
        (there.manifest("x", spec, urls={"x": f"{there.url}/moved"}), 502, "302"),
        (there.manifest("x", spec, urls={"x": "http://127.0.0.1:9/x"}), 502, "cannot be fetched"),
        (there.manifest("w", {"w": ("json/object", b" " * 200_001)}), 413, "200000"),
        (there.manifest("z", {"z": ("json/object", b"{")}), 400, "cannot be read"),
        (there.manifest("y = 'ab' * 99", output={"url": there.url + "/out", "max_bytes": 10}), 413, "allows 10"),
        (there.manifest("import os; os._exit(1)"), 500, "ended"),
        (there.manifest("import time; time.sleep(9)", timeout_seconds=0.2), 504, "time"),
        (there.manifest("1", output={"url": "http://127.0.0.1:9/x"}), 502, "output.url"),
    ):
        response = ask(ours, manifest)
        assert (response.status_code, said in response.json()["detail"]) == (status, True), response.text
    there.answers["/out"] = 403
    assert "`output.url` answers 403" in ask(ours, there.manifest("1")).json()["detail"]
    assert there.finalized == []
    there.answers = {"/finalize": 409}
    assert "`finalize_url` answers 409" in ask(ours, there.manifest("1")).json()["detail"]


def test_a_console_that_cannot_be_told_is_no_failure(ours, there):
    manifest = there.manifest("print('x')\ny = 1") | {"log_url": "http://127.0.0.1:9/log"}
    assert ask(ours, manifest).status_code == 200
    assert opened(there.taken[-1][2])[1]["stdout.txt"] == b"x\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["metadata"].update(executor_ref="scan@v1"),
        lambda m: m.update(metadata=None),
        lambda m: m.update(inputs={}),
        lambda m: m["inputs"].append({"artifact_id": "a", "version": "1", "url": "http://127.0.0.1/x"}),
        lambda m: m["metadata"]["params"]["input_specs"].update(q={"uri": "strata://artifact/q@v=1"}),
        lambda m: m["metadata"]["params"]["input_specs"].update({"../q": {"uri": "strata://artifact/x@v=2"}}),
        lambda m: m["output"].update(method="DELETE"),
        lambda m: m["output"].update(max_bytes="many"),
        lambda m: m["output"].update(headers={"a": "b\r\nc: d"}),
        lambda m: m.pop("output"),
    ],
)
def test_malformed_manifests(ours, there, change):
    manifest = there.manifest("x", {"x": ("json/object", b"1")})
    change(manifest)
    assert ask(ours, manifest).status_code == 400


def test_without_the_token_nothing_is_asked(ours):
    with httpx.Client(base_url=ours.url, trust_env=False) as client:
        for _ in range(25):
            for path in ("/v1/execute-manifest", "/execute", "/v1/execute", "/v2/execute", "/v1/executions/b/cancel"):
                for body in (b"", b"x" * 300_000, json.dumps({"source": "1"}).encode()):
                    answer = client.post(path, content=body)
                    assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized")


@pytest.mark.parametrize("asked", ["pull", "push", "fetching"])
def test_a_cell_is_cancelled_by_what_its_client_calls_it(ours, there, tmp_path, asked):
    began = tmp_path / "began"
    source = f"open({str(began)!r}, 'w').close()\nwhile True:\n    try:\n        import time; time.sleep(60)\n"
    source += "    except BaseException:\n        pass"
    spec = {"x": ("json/object", b"1")} if asked == "fetching" else None
    manifest = there.manifest(source, spec, f"{asked}/1", urls={"x": f"{there.url}/slow/x"} if spec else None)
    got = []

    def run():
        with ours.client() as client:
            if asked != "push":
                got.append(client.post("/v1/execute-manifest", json=manifest))
                return
            envelope = {"protocol_version": "notebook-cell-v1", "build_id": "push/1", "source": source}
            got.append(
                client.post("/v1/notebook-execute", files={"metadata": json.dumps(envelope | {"timeout_seconds": 60})})
            )

    thread = threading.Thread(target=run)
    thread.start()
    with ours.client() as client:
        if asked == "fetching":
            until(lambda: client.post(f"/v1/executions/{asked}%2F1/cancel").json()["cancelled"])
            there.slow.set()
        else:
            until(began.exists)
            told = client.post(f"/v1/executions/{asked}%2F1/cancel")
            assert told.json() == {"build_id": f"{asked}/1", "cancelled": True}
        thread.join(15)
        assert got[0].status_code == 409, got[0].text
        until(lambda: client.get("/health").json()["active_executions"] == 0)
        assert client.post("/v1/executions/b/cancel").json() == {"build_id": "b", "cancelled": False}
    assert there.finalized == []
    assert began.exists() is (asked != "fetching")


def test_the_older_envelope(ours):
    envelope = {
        "protocol_version": "notebook-cell-v1", "source": "y = x + 1", "mounts": [], "env": {},
        "inputs": {"x": {"content_type": "json/object", "file": "x.json"}},
    }  # fmt: skip
    files = {"metadata": ("metadata.json", json.dumps(envelope)), "x": ("x.json", b"41")}
    with ours.client() as client:
        response = client.post("/v1/notebook-execute", files=files)
    assert response.status_code == 200, response.text
    with tarfile.open(fileobj=io.BytesIO(response.content)) as archive:
        assert json.load(archive.extractfile("files/y.json")) == 42


def test_nobody_waits_any_more(ours, there, tmp_path):
    began = tmp_path / "began"
    manifest = there.manifest(f"open({str(began)!r}, 'w').close()\nimport time; time.sleep(60)")
    with ours.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post("/v1/execute-manifest", json=manifest, timeout=3)
    until(began.exists)
    with ours.client() as client:
        until(lambda: client.get("/health").json()["active_executions"] == 0)
    assert there.finalized == []
