"""What every store promises, whatever lies behind it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata_kernel.domain.manifest import Artifact, Blob, Dependency, FileOutput, Manifest, Unit
from strata_kernel.errors import StoreError
from strata_kernel.store import LocalStore, Trust
from strata_kernel.store.remote import RemoteStore
from strata_kernel.store.tiered import TieredStore

MINE, THEIRS = Trust(secret=b"m" * 32), Trust(secret=b"t" * 32)
P, K = "ab" * 20, "cd" * 20
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    import boto3

    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    endpoint = "http://{}:{}".format(*running.get_host_and_port())
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket="bucket")
    yield {"key": "a", "secret": "b", "client_kwargs": {"endpoint_url": endpoint, "region_name": "us-east-1"}}
    running.stop()


@pytest.fixture(params=["local", "file", "memory", "s3", "tiered"])
def open_(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Return what opens the same store anew, as this user or as another."""
    kind, name = request.param, uuid.uuid4().hex
    options = request.getfixturevalue("s3") if kind == "s3" else {}
    url = {"s3": f"s3://bucket/{name}", "memory": f"memory://{name}"}.get(kind, f"file://{tmp_path}/remote")

    def opened(trust: Trust = MINE) -> Any:
        if kind == "local":
            return LocalStore(tmp_path / "store", trust)
        if kind == "tiered":
            # Another machine of the same user: a local part of its own.
            here = LocalStore(tmp_path / uuid.uuid4().hex, trust)
            return TieredStore(here, RemoteStore(url, trust), report=pytest.fail)
        return RemoteStore(url, trust, options)

    return opened


def made(*blobs: Blob, key: str = K, created: float = 1.0, **more: Any) -> Manifest:
    artifact = Artifact("pickle", blobs[0] if blobs else None, blobs[1:], inline=b"\x00\xff")
    return Manifest(
        P, key, {"x": Dependency("v")}, units=(Unit(("y",), "w", artifact=artifact),), created=created, **more
    )


def test_what_is_put_comes_back_after_a_restart(open_: Open) -> None:
    store = open_()
    blob = store.put([b"ab", memoryview(b"cd"), b""])
    assert store.has(blob)
    store.publish(made(blob))
    again = open_()
    assert bytes(again.get(blob)) == b"abcd"
    assert again.has(blob)


def test_the_name_is_the_blake3_of_the_bytes(open_: Open) -> None:
    from blake3 import blake3

    assert open_().put([b"ab", b"c"]) == Blob(blake3(b"abc").hexdigest(), 3)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (17 << 20) + 3])
def test_every_size(open_: Open, size: int) -> None:
    content = os.urandom(size)
    store = open_()
    for chunks in ([content], [memoryview(content)[: size // 2], content[size // 2 :]], iter([content])):
        blob = store.put(chunks)
        assert blob.size == size
        assert bytes(store.get(blob)) == content


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_a_blob_is_writable_and_the_store_untouched(open_: Open, size: int) -> None:
    store = open_()
    blob = store.put([b"a" * size])
    view = store.get(blob)
    assert not view.readonly
    view[:2] = b"zz"
    assert bytes(store.get(blob)[:3]) == b"aaa"
    assert bytes(view[:3]) == b"zza"


def test_an_absent_blob(open_: Open) -> None:
    store, absent = open_(), Blob("0" * 64, 3)
    assert not store.has(absent)
    with pytest.raises(StoreError, match="no blob"):
        store.get(absent)


@pytest.mark.parametrize("size", [3, 2 << 20])
def test_another_size_is_never_served(open_: Open, size: int) -> None:
    store = open_()
    blob = store.put([b"a" * size])
    for wrong in (size - 1, size + 1):
        with pytest.raises(StoreError):
            open_().get(Blob(blob.hash, wrong))


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_blob_name_cannot_leave_the_store(open_: Open, name: str) -> None:
    assert not open_().has(Blob(name, 1))
    with pytest.raises(StoreError):
        open_().get(Blob(name, 1))


def test_manifests_come_newest_first(open_: Open) -> None:
    store = open_()
    assert store.entries(P) == []
    all_ = [made(key=f"{n:040x}", created=float(n)) for n in (2, 3, 1)]
    for manifest in all_:
        store.publish(manifest)
    assert store.entries(P) == open_().entries(P) == sorted(all_, key=lambda m: -m.created)
    assert store.entries("00" * 20) == []


def test_everything_in_a_manifest_comes_back(open_: Open) -> None:
    store = open_()
    blobs = [store.put([bytes([n])]) for n in range(4)]
    outputs = [{"msg_type": "stream", "content": {"name": "stdout", "text": "é\u0000\n", "n": [1, 2.5, None, True]}}]
    whole = made(*blobs[:3], files=(FileOutput("/f", "d", blobs[3]),), outputs=outputs)
    store.publish(whole)
    assert open_().entries(P) == [whole]


def test_publishing_again_replaces(open_: Open) -> None:
    store = open_()
    store.publish(made(created=1.0))
    assert len(store.entries(P)) == 1
    store.publish(made(created=2.0))
    assert [m.created for m in store.entries(P)] == [m.created for m in open_().entries(P)] == [2.0]


def test_a_manifest_that_names_a_missing_blob_is_refused(open_: Open) -> None:
    store = open_()
    for missing in (
        made(Blob("0" * 64, 1)),
        made(outputs=Blob("0" * 64, 1)),
        made(store.put([b"a"]), Blob("1" * 64, 1)),
    ):
        with pytest.raises(StoreError):
            store.publish(missing)
    assert store.entries(P) == open_().entries(P) == []


def test_discarding(open_: Open) -> None:
    store = open_()
    store.publish(made())
    store.publish(made(key="ee" * 20))
    store.discard(made())
    store.discard(made())
    assert [m.key for m in store.entries(P)] == [m.key for m in open_().entries(P)] == ["ee" * 20]


def test_what_another_user_signed_is_left_out(open_: Open) -> None:
    open_(THEIRS).publish(made())
    assert open_().entries(P) == []
    assert len(open_(THEIRS).entries(P)) == 1


@pytest.mark.parametrize("token", ["../x", "", "a/b", ".", "..", "a\nb"])
def test_a_key_cannot_leave_the_store(open_: Open, token: str) -> None:
    store = open_()
    assert store.entries(token) == []
    for manifest in (Manifest(token, K, {}), Manifest(P, token, {})):
        with pytest.raises(StoreError):
            store.publish(manifest)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.binary(max_size=300), max_size=5), lazy=st.booleans())
def test_put_then_get_is_identity(open_: Open, chunks: list[bytes], lazy: bool) -> None:
    store = open_()
    blob = store.put(iter(chunks) if lazy else [memoryview(chunk) for chunk in chunks])
    assert store.has(blob)
    assert bytes(store.get(blob)) == b"".join(chunks)
    assert store.put([b"".join(chunks)]) == blob
