"""The parts of the server extension that need no server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from traitlets import TraitError
from traitlets.config import Config

from strata_labextension import description, pages
from strata_labextension.handlers import DescriptionHandler
from strata_labextension.options import Strata
from strata_labextension.refusal import Refusal


def test_the_description_is_written_anew_when_the_routes_change() -> None:
    shown = "python -m strata_labextension.description"
    assert DescriptionHandler.FILE.read_text("utf-8") == description.written(), f"run `{shown}`"


def test_settings_reach_the_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER_OF_THIS_TEST", "ada")
    monkeypatch.chdir(tmp_path)
    environ: dict[str, str] = {"STRATA_CACHE_STORE": "/before", "STRATA_CACHE_MAX_ARTIFACT_BYTES": "5"}
    given = {"store": "stores/$USER_OF_THIS_TEST", "remote": "s3://bucket/$USER_OF_THIS_TEST", "max_bytes": 10**9}
    Strata(config=Config({"Strata": {**given, "min_runtime_ms": 2, "trust_secret_file": "~/x"}})).export(environ)
    assert environ == {
        "STRATA_CACHE_STORE": str(tmp_path / "stores" / "ada"),
        "STRATA_CACHE_REMOTE": "s3://bucket/ada",
        "STRATA_CACHE_MAX_BYTES": "1000000000",
        "STRATA_CACHE_MIN_RUNTIME_MS": "2.0",
        "STRATA_CACHE_MAX_ARTIFACT_BYTES": "5",
        "STRATA_TRUST_SECRET_FILE": str(Path("~/x").expanduser()),
    }


def test_an_impossible_setting_is_refused() -> None:
    with pytest.raises(TraitError):
        Strata(config=Config({"Strata": {"max_bytes": -1}}))


def test_every_setting_is_one_of_the_kernels() -> None:
    from strata_kernel.settings import load_settings

    environ = {
        t.metadata["variable"]: "1"
        for t in Strata.class_traits(config=True).values()
        if t.metadata.get("variable", "").startswith("STRATA_CACHE_")
    }
    _, found = load_settings(None, environ, user_config=Path("/nowhere"))
    assert len(environ) == 6
    assert found == []


def test_the_page_for_administrators_names_every_setting() -> None:
    page = (Path(__file__).parents[2] / "docs" / "jupyterhub.md").read_text("utf-8")
    shown = dict(re.findall(r"^\| `(\w+)` \| `(STRATA_\w+)` \|", page, re.MULTILINE))
    traits = Strata.class_traits(config=True).items()
    assert shown == {n: t.metadata["variable"] for n, t in traits if "variable" in t.metadata}


def test_the_servers_start_waits_for_nothing_heavy() -> None:
    code = (
        "import sys, jupyter_server.serverapp\n"
        "before = set(sys.modules)\n"
        "import strata_labextension.handlers, strata_labextension.options\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added = {name for name in done.stdout.split() if not name.startswith("concurrent.")}
    assert added == {
        "strata_kernel",
        "strata_kernel.errors",
        "strata_labextension",
        "strata_labextension.handlers",
        "strata_labextension.options",
        "strata_labextension.places",
        "strata_labextension.refusal",
    }


def written(kind: str) -> memoryview:
    found = pa.table({"n": [1, 2**60, None], "f": [0.5, float("nan"), 1.0], "t": ["a", "b" * 2000, "c"]})
    sink = pa.BufferOutputStream()
    if kind == "parquet":
        from pyarrow import parquet

        parquet.write_table(found, sink)
    else:
        new = pa.ipc.new_file if kind == "feather" else pa.ipc.new_stream
        with new(sink, found.schema) as writer:
            for batch in found.to_batches(max_chunksize=2):
                writer.write_batch(batch)
    return memoryview(sink.getvalue())


@pytest.mark.parametrize(("kind", "total"), [("parquet", 3), ("feather", 3), ("arrow", None)])
def test_pages_of_tables(kind: str, total: int | None) -> None:
    found = pages.table(kind, written(kind), 1, 5)
    assert (found.columns, found.types, found.total) == (["n", "f", "t"], ["int64", "double", "string"], total)
    assert [row[0] for row in found.rows] == [str(2**60), None]
    assert found.rows[0][2] == "b" * 1000 + "…"
    assert pages.table(kind, written(kind), 0, 0).rows == []
    assert len(pages.table(kind, written(kind), 0, 2).rows) == 2


@pytest.mark.parametrize("kind", pages.TABLES)
def test_what_is_no_table_is_refused(kind: str) -> None:
    with pytest.raises(Refusal, match="unreadable"):
        pages.table(kind, memoryview(b"\x00\xff nothing, of\nthe kind"), 0, 5)


def test_texts_and_pictures() -> None:
    assert pages.text(memoryview(b"caf\xc3\xa9")) == "café"
    assert pages.text(memoryview(b"caf\xe9")) is None
    assert pages.text(memoryview(b"a\0b")) is None
    long = pages.text(memoryview("é".encode() * 100_000))
    assert long is not None
    assert long == "é" * 20_000 + "…"
    image = pages.picture("a.png", memoryview(b"png"))
    assert image is not None
    assert (image.media_type, image.base64) == ("image/png", "cG5n")
    assert pages.picture("a.svg", memoryview(b"<svg/>")) is None
    assert pages.picture("a.txt", memoryview(b"")) is None
