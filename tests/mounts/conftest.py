"""A real S3 endpoint that tells what it was asked for, and kernels whose environment leads to it."""

import threading
import time
from collections import Counter

import pytest

PIECE = 1 << 18
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


class Bucket:
    """One bucket, with the requests for it by method and key."""

    def __init__(self, server, name):
        import boto3

        self.server, self.name = server, name
        self.environ = {**KEYS, "AWS_ENDPOINT_URL": server.endpoint}
        self.client = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        self.client.create_bucket(Bucket=name)
        self.uri = f"s3://{name}"

    def put(self, key, body):
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def get(self, key):
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def keys(self):
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return sorted(each["Key"] for each in listed)

    def fetched(self):
        """The keys whose bytes were asked for since the last time, sorted, each as often as it was."""
        asked, self.server.asked = self.server.asked, Counter()
        start = f"/{self.name}/"
        found = [
            k for (method, path), n in asked.items() if method == "GET" and path.startswith(start) for k in [path] * n
        ]
        return sorted(path.removeprefix(start) for path in found if path != start)


class Server:
    """moto, with each request counted; `pause` seconds pass before each piece of what comes and each file that goes."""

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.asked, self.pause = Counter(), 0.0
        inner = DomainDispatcherApplication(create_backend_app)

        def application(environ, start):
            self.asked[environ["REQUEST_METHOD"], environ["PATH_INFO"]] += 1
            if not self.pause:
                return inner(environ, start)
            if environ["REQUEST_METHOD"] == "PUT":
                time.sleep(self.pause)
            return slowly(inner(environ, start))

        def slowly(body):
            for piece in body:
                for at in range(0, len(piece), PIECE):
                    if at:
                        time.sleep(self.pause)
                    yield piece[at : at + PIECE]

        self._server = make_server("127.0.0.1", 0, application, threaded=True)
        self.endpoint = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._thread.join()


@pytest.fixture(scope="session")
def s3():
    pytest.importorskip("moto.server")
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3, request):
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:40].strip("-")
    yield Bucket(s3, name)
    s3.pause = 0.0
