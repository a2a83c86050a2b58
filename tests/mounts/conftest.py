"""Real endpoints of object stores, and kernels whose environment leads to them; that of S3 tells what it was asked for."""

import base64
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest

AZURITE = Path(__file__).with_name("azurite")
AZURITE_KEY = bytes.fromhex(
    "11bcbcbdd334db134e72a165a94c093cb96612d9420d7275394cc54f9d2e4916"
    "7a205b2e16ad94544ac2cf823ab6afcad526453d33adaff2811c17a4b2818c1b"
)
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

    def overwriting(self, key, text):
        """Code with which someone else writes there."""
        return f"__import__('boto3').client('s3').put_object(Bucket={self.name!r}, Key={key!r}, Body={text!r})"

    def delete(self, key):
        self.client.delete_object(Bucket=self.name, Key=key)

    def settings(self):
        """What strata.toml says of it, and of one that cannot be had."""
        wrong = '{ config_kwargs = { retries = { max_attempts = 1 } }, endpoint_url = "http://127.0.0.1:9" }'
        return f'[mounts.wrong]\nuri = "s3://elsewhere/raw"\noptions = {wrong}\n'

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
    yield Bucket(s3, named(request))
    s3.pause = 0.0


def named(request):
    """What the bucket of a test is called."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:40].strip("-")


class Container:
    """One container of Azure's blob store."""

    def __init__(self, address, name):
        from azure.storage.blob import BlobServiceClient

        account = "devstoreaccount1"
        # The one key that every emulator has.
        key, wrong = (base64.b64encode(k).decode() for k in (AZURITE_KEY, AZURITE_KEY[::-1]))
        said = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};BlobEndpoint={address}/{account};"
        self.environ = {"AZURE_STORAGE_CONNECTION_STRING": said, "WRONG": said.replace(key, wrong)}
        self.client = BlobServiceClient.from_connection_string(said).create_container(name)
        self.uri, self.name = f"az://{name}", name

    def put(self, key, body):
        self.client.upload_blob(key, body, overwrite=True)

    def get(self, key):
        return self.client.download_blob(key).readall()

    def keys(self):
        return sorted(self.client.list_blob_names())

    def delete(self, key):
        self.client.delete_blob(key)

    def overwriting(self, key, text):
        found = "__import__('azure.storage.blob').storage.blob.BlobServiceClient.from_connection_string("
        found += "__import__('os').environ['AZURE_STORAGE_CONNECTION_STRING'])"
        return f"{found}.get_blob_client({self.name!r}, {key!r}).upload_blob({text!r}, overwrite=True)"

    def settings(self):
        """What strata.toml says of one whose key is another."""
        return '[mounts.wrong]\nuri = "az://elsewhere/raw"\noptions = { connection_string = "${WRONG}" }\n'


class Google:
    """One bucket of Google's store."""

    def __init__(self, address, name):
        import httpx

        self.client = httpx.Client(base_url=address, trust_env=False)
        self.client.post("/storage/v1/b", json={"name": name}).raise_for_status()
        self.environ = {"ANYONE": "anon", "WRONG": "/nowhere/key.json", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
        self.uri, self.name, self.address = f"gs://{name}", name, address

    def _at(self, key):
        return f"/storage/v1/b/{self.name}/o/{quote(key, safe='')}"

    def put(self, key, body):
        query = {"uploadType": "media", "name": key}
        self.client.post(f"/upload/storage/v1/b/{self.name}/o", params=query, content=body).raise_for_status()

    def get(self, key):
        return self.client.get(self._at(key), params={"alt": "media"}).content

    def keys(self):
        return sorted(each["name"] for each in self.client.get(f"/storage/v1/b/{self.name}/o").json().get("items", []))

    def delete(self, key):
        self.client.delete(self._at(key)).raise_for_status()

    def overwriting(self, key, text):
        place = f"{self.address}/upload/storage/v1/b/{self.name}/o?uploadType=media&name={quote(key, safe='')}"
        return f"__import__('httpx').post({place!r}, content={text!r}, trust_env=False)"

    def settings(self):
        """What strata.toml says of it, and of one whose credentials are not there."""
        given = f'{{ token = "${{ANYONE}}", endpoint_url = "{self.address}" }}'
        return (
            f'[mounts.all]\nuri = "{self.uri}"\noptions = {given}\n[mounts.wrong]\nuri = "gs://elsewhere/raw"\n'
            'options = { token = "${WRONG}" }\n'
        )


@pytest.fixture(scope="session")
def azurite():
    pytest.importorskip("adlfs")
    node, program = shutil.which("node"), AZURITE / "node_modules/azurite/dist/src/blob/main.js"
    if node is None or not program.exists():
        pytest.skip("azurite is not installed: `jlpm install` in tests/mounts/azurite, with Node")
    words = ["--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    process = subprocess.Popen([node, program, *words], stdout=subprocess.PIPE, text=True)
    said = ""
    while not (found := re.search(r"listens on (http://\S+)", said)):
        line = process.stdout.readline()
        assert line, said
        said += line
    yield found[1]
    process.terminate()
    process.wait(30)
    process.stdout.close()


@pytest.fixture(scope="session")
def google():
    pytest.importorskip("gcsfs")
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    server = emulator.create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    yield f"http://127.0.0.1:{server._api._httpd.socket.getsockname()[1]}"
    server.stop()


@pytest.fixture(params=["s3", "az", "gs"])
def store(request):
    """A bucket of each of the stores."""
    if request.param == "s3":
        return Bucket(request.getfixturevalue("s3"), named(request))
    if request.param == "az":
        return Container(request.getfixturevalue("azurite"), named(request))
    return Google(request.getfixturevalue("google"), named(request))
