"""Whatever is sent to a worker, it answers, stays within its folder, and goes on working."""

import contextlib
import http.client
import json
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.worker.conftest import TOKEN, WorkerProcess

#: The full campaign is STRATA_MALFORMED=10000.
EXAMPLES = int(os.environ.get("STRATA_MALFORMED", "300"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = WorkerProcess(tmp_path_factory.mktemp("worker"), "--max-input-bytes", "200000")
    yield made
    made.stop()


METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
PATHS = st.one_of(
    st.sampled_from(["/", "/health", "/v2/execute", "/v1/execute", "/v2/environment", "/v2/executions/" + "0" * 32]),
    st.sampled_from(["/v1/execute-manifest", "/execute", "/v1/notebook-execute", "/v1/executions/b/cancel"]),
    HEX.map("/v2/blobs/{}".format),
    HEX.map("/v2/blobs/{}?size=3".format),
    st.sampled_from(
        ["/v2/blobs/../../../etc/passwd", "/v2/blobs/%2e%2e%2fx", "/v2/blobs/" + "A" * 64, "//x", "/v2/blobs/a\tb"]
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {"id": st.sampled_from(["0" * 32, "../../x", ""]), "cell": JSON, "terms": JSON},
    optional={
        "state": JSON,
        "units": JSON,
        "folder": st.sampled_from(["/x", "..", "/../.."]),
        "environ": JSON,
        "producers": JSON,
        "twins": JSON,
    },
)
NEARLY = st.fixed_dictionaries(
    {
        "id": st.just("1" * 32),
        "cell": st.just({"id": "a", "source": "1"}),
        "terms": st.just({}),
        "folder": st.just("/nb"),
        "state": st.dictionaries(
            st.text(max_size=4), st.tuples(st.integers(), st.text(max_size=3)), min_size=1, max_size=2
        ),
    }
)
# None of them asks an address: those of the inside are refused, and there is always something else wrong.
URLS = st.sampled_from(
    ["http://127.0.0.1/x", "http://[::1", "http://", "file:///etc/passwd", "x", "http://10.0.0.1:99999"]
)
MANIFESTS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {
                "executor_ref": st.sampled_from(["notebook_cell@v1", "scan@v1"]),
                "params": st.fixed_dictionaries(
                    {"source": st.just("1")},
                    optional={"input_specs": JSON, "mounts": JSON, "env": JSON, "mutation_defines": JSON},
                )
                | JSON,
            }
        )
        | JSON,
        "output": st.fixed_dictionaries(
            {"url": URLS | JSON}, optional={"method": JSON, "fields": JSON, "headers": JSON, "max_bytes": JSON}
        )
        | JSON,
        "finalize_url": URLS | JSON,
    },
    optional={
        "build_id": JSON,
        "log_url": URLS | JSON,
        "inputs": JSON
        | st.lists(
            st.fixed_dictionaries({"artifact_id": JSON, "version": st.just(1) | JSON, "url": URLS | JSON}), max_size=2
        ),
    },
)
PARTS = st.fixed_dictionaries(
    {
        "protocol_version": st.sampled_from(["v1", "v2", None]),
        "transform": st.fixed_dictionaries(
            {
                "ref": st.sampled_from(["notebook_cell@v1", "scan@v1"]),
                # None of them runs: there is always something wrong.
                "params": st.fixed_dictionaries(
                    {"source": JSON, "timeout_seconds": JSON | st.floats(), "mounts": JSON, "env": JSON, "tables": JSON}
                ),
            }
        )
        | JSON,
        "inputs": JSON
        | st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["x", "../x", "a/b", ""]), "format": st.sampled_from(["json/object", "x", 1])}
            ),
            max_size=2,
        ),
    }
)
FIELD = st.sampled_from(["metadata", "x", "../x", "", 'a"; filename="/etc/x'])


def multipart(fields):
    lines = []
    for name, content in fields:
        lines += [b"--b", f'Content-Disposition: form-data; name="{name}"; filename="{name}"'.encode(), b"", content]
    return b"\r\n".join([*lines, b"--b--", b""])


FORMS = st.one_of(
    PARTS.map(lambda v: multipart([("metadata", json.dumps(v).encode()), ("x", b"1")])),
    st.lists(st.tuples(FIELD, st.binary(max_size=20)), max_size=3).map(multipart),
    st.sampled_from([b"--b", b"--b--", b"--b\r\n\r\n--b--", b"--b\r\n" * 500 + b"--b--\r\n"]),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda v: json.dumps(v).encode()),
    FIELDS.map(lambda v: json.dumps(v).encode()),
    NEARLY.map(lambda v: json.dumps(v).encode()),
    st.just(b"x" * 250_000),
    st.just(b"[" * 50_000),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "Content-Length", "Transfer-Encoding", "Expect", "Content-Encoding", "Range", "X-A"]
    ),
    st.sampled_from(
        [
            "",
            "0",
            "-1",
            "5",
            "99999999999999999999",
            "chunked",
            "gzip",
            "100-continue",
            "multipart/form-data",
            "bytes=0-",
        ]
    ),
    max_size=2,
)


def sent(url, method, path, headers, body):
    """Send bytes as they are and return the status, None when the connection just ends."""
    host, port = url.removeprefix("http://").split(":")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in headers.items())]
    if not headers.keys() & {"Content-Length", "Transfer-Encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    # One that announces more than it sends is waited for.
    liar = bool(headers.keys() & {"Content-Length", "Transfer-Encoding", "Expect"})
    with socket.create_connection((host, int(port)), timeout=0.3 if liar else 20) as connection:
        with contextlib.suppress(OSError):  # it may have refused before it has read all
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)
        answer = http.client.HTTPResponse(connection, method=method)
        try:
            answer.begin()
            return answer.status
        except (http.client.HTTPException, ConnectionError):
            return None
        except TimeoutError:
            assert liar
            return None


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
@given(METHODS, PATHS, BODIES, HEADERS, st.booleans())
def test_malformed_requests(shared, method, path, body, headers, allowed):
    token = {"Authorization": f"Bearer {TOKEN}"} if allowed else {}
    status = sent(shared.url, method, path, {**headers, **token}, body)
    assert status is None or status < 500 or status in (503, 504)
    if not allowed and "health" not in path:
        assert status in (None, 100, 400, 401, 404, 405, 413)
    assert shared.process.poll() is None


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
@given(FORMS, st.sampled_from(["multipart/form-data; boundary=b", "multipart/form-data", "text/plain"]), st.booleans())
def test_malformed_forms(shared, body, kind, allowed):
    token = {"Authorization": f"Bearer {TOKEN}"} if allowed else {}
    status = sent(shared.url, "POST", "/v1/execute", {"Content-Type": kind, **token}, body)
    assert status == (400 if allowed else 401)
    assert shared.process.poll() is None


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
@given(MANIFESTS, st.sampled_from(["/v1/execute-manifest", "/execute"]), st.booleans())
def test_malformed_manifests(shared, manifest, path, allowed):
    token = {"Authorization": f"Bearer {TOKEN}"} if allowed else {}
    status = sent(shared.url, "POST", path, token, json.dumps(manifest).encode())
    assert status == (400 if allowed else 401)
    assert shared.process.poll() is None


def test_it_still_works_and_wrote_nowhere_else(shared):
    assert shared.process.poll() is None
    with shared.client() as client:
        assert client.get("/health").json()["status"] == "healthy"
        assert "Traceback" not in shared.logged()
        content = b"some content"
        from blake3 import blake3

        name = blake3(content).hexdigest()
        assert client.put(f"/v2/blobs/{name}", content=content).status_code == 204
        assert client.get(f"/v2/blobs/{name}?size={len(content)}").content == content
        assert client.put(f"/v2/blobs/{'0' * 64}", content=content).status_code == 400
        assert client.get(f"/v2/blobs/{'0' * 64}?size=1").status_code == 404
        assert client.put(f"/v2/blobs/{name}", content=b"x" * 300_000).status_code == 413
    assert {p.name for p in shared.folder.iterdir()} == {"work", "log"}
    assert {p.name for p in (shared.folder / "work").iterdir()} == {"store", "guests"}
    assert TOKEN not in shared.logged()


def test_without_the_token_only_health_answers(shared):
    assert sent(shared.url, "GET", "/health", {}, b"") == 200
    for given_token in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer \xff"},
    ):
        assert sent(shared.url, "GET", "/v2/environment", given_token, b"") == 401
        assert sent(shared.url, "POST", "/v2/execute", given_token, b"{}") == 401
        assert sent(shared.url, "PUT", "/v2/blobs/" + "0" * 64, given_token, b"x") == 401
