"""Libraries that open files behind Python's back."""

from __future__ import annotations

import inspect
import os
import pickle
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import h5py
import polars as pl
import pyarrow.parquet as pq
import pytest

from strata_kernel.kernel.observe.observed import Observed
from strata_kernel.kernel.observe.observer import Observer
from strata_kernel.kernel.observe.sql import named_files
from tests.kernel.conftest import watched

Run = Callable[[str], Observed]

PRELUDE = """
import os, numpy as np, pandas as pd, polars as pl, duckdb, h5py, pyarrow as pa
import pyarrow.parquet as pq, pyarrow.csv, pyarrow.feather, pyarrow.dataset, pyarrow.orc, pyarrow.ipc, pyarrow.json
df = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
table = pa.table({"a": [1, 2], "b": ["x", "y"]})
"""


@pytest.fixture
def namespace() -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(PRELUDE, found)
    return found


@pytest.fixture
def run(observer: Observer, namespace: dict[str, Any]) -> Run:
    return lambda source: watched(observer, namespace, source).settled(observer.files)


@pytest.fixture
def files(run: Run, tmp_path: Path) -> Path:
    run(
        """
        df.write_csv("a.csv"); df.write_parquet("a.parquet"); df.write_ipc("a.arrow"); df.write_ndjson("a.ndjson")
        df.write_json("a.json"); pyarrow.feather.write_feather(table, "a.feather") if False else pa.feather.write_feather(table, "a.feather")
        pa.orc.write_table(table, "a.orc")
        os.makedirs("parts/k=1"); df.write_parquet("parts/k=1/p.parquet"); df.write_parquet("parts/k=1/q.parquet")
        with h5py.File("a.h5", "w") as f: f["x"] = [1, 2]
        duckdb.connect("a.duckdb").execute("create table t as select 1 as x").connection if False else None
        con = duckdb.connect("a.duckdb"); con.execute("create table t as select 1 as x"); con.close()
        """
    )
    return tmp_path


def names(found: Any, root: Path) -> list[str]:
    return [os.path.relpath(p, root) for p in found]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("pl.read_csv('a.csv')", ["a.csv"]),
        ("pl.read_csv(source='a.csv')", ["a.csv"]),
        ("pl.scan_csv('a.csv').collect()", ["a.csv"]),
        ("pl.scan_parquet('parts/**/*.parquet').collect()", ["parts/k=1/p.parquet", "parts/k=1/q.parquet"]),
        ("pl.read_parquet(['a.parquet', 'parts/k=1/p.parquet'])", ["a.parquet", "parts/k=1/p.parquet"]),
        ("pl.read_ipc('a.arrow')", ["a.arrow"]),
        ("pl.read_ndjson('a.ndjson')", ["a.ndjson"]),
        ("pq.read_table('a.parquet')", ["a.parquet"]),
        ("pq.read_table('parts')", ["parts/k=1/p.parquet", "parts/k=1/q.parquet"]),
        ("pq.ParquetFile('a.parquet').read()", ["a.parquet"]),
        ("pd.read_parquet('a.parquet')", ["a.parquet"]),
        ("pd.read_feather('a.feather')", ["a.feather"]),
        ("pd.read_orc('a.orc')", ["a.orc"]),
        ("pa.csv.read_csv('a.csv')", ["a.csv"]),
        ("pa.json.read_json('a.ndjson')", ["a.ndjson"]),
        ("pa.memory_map('a.arrow').read()", ["a.arrow"]),
        ("pa.dataset.dataset('parts').to_table()", ["parts/k=1/p.parquet", "parts/k=1/q.parquet"]),
        ("duckdb.sql(\"select * from 'a.csv'\").fetchall()", ["a.csv"]),
        ("duckdb.connect().execute('from read_csv(?)', ['a.csv']).fetchall()", ["a.csv"]),
        ("duckdb.sql(\"from 'parts/*/p.parquet'\").fetchall()", ["parts/k=1/p.parquet"]),
        ("duckdb.read_parquet('a.parquet').fetchall()", ["a.parquet"]),
        ("duckdb.connect('a.duckdb', read_only=True).sql('from t').fetchall()", ["a.duckdb"]),
        ("h5py.File('a.h5')['x'][:]", ["a.h5"]),
        ("h5py.File('a.h5', mode='r').close()", ["a.h5"]),
    ],
)
def test_reads(run: Run, files: Path, source: str, expected: list[str]) -> None:
    seen = run(source)
    assert names(seen.reads, files) == expected
    assert not seen.written
    assert not seen.reasons


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("df.write_csv('o')", ["o"]),
        ("df.write_parquet('o')", ["o"]),
        ("df.lazy().sink_parquet('o')", ["o"]),
        ("pq.write_table(table, 'o')", ["o"]),
        ("pa.csv.write_csv(table, 'o')", ["o"]),
        ("pa.dataset.write_dataset(table, 'o', format='parquet')", ["o/part-0.parquet"]),
        ("pd.DataFrame({'a': [1]}).to_parquet('o')", ["o"]),
        ("duckdb.sql(\"copy (select 1) to 'o'\")", ["o"]),
        ("duckdb.sql('select 1 as x').write_csv('o')", ["o"]),
        ("f = h5py.File('o', 'w'); f['x'] = 1; f.close()", ["o"]),
        ("import torch; torch.save([1], 'o')", ["o"]),
        ("np.arange(3).tofile('o')", ["o"]),
        ("con = duckdb.connect('o'); con.execute('create table t(a int)'); con.close()", ["o"]),
    ],
)
def test_writes(run: Run, tmp_path: Path, source: str, expected: list[str]) -> None:
    seen = run(source)
    assert names(seen.written, tmp_path) == expected
    assert not seen.reads


def test_updates(run: Run, files: Path) -> None:
    seen = run("f = h5py.File('a.h5', 'a'); f['y'] = 2; f.close()")
    assert names(seen.reads, files) == ["a.h5"]
    assert names(seen.written, files) == ["a.h5"]
    seen = run("con = duckdb.connect('a.duckdb'); con.execute('insert into t values (2)'); con.close()")
    assert names(seen.reads, files) == ["a.duckdb"]
    assert names(seen.written, files) == ["a.duckdb"]
    seen = run("con = duckdb.connect(); con.execute(\"attach 'a.duckdb' as other\"); con.close()")
    assert names(seen.reads, files) == ["a.duckdb"]


def test_patterns_depend_on_the_listing(run: Run, files: Path) -> None:
    seen = run("pl.scan_parquet('parts/*/p.parquet').collect()")
    assert {"parts", "parts/k=1"} <= set(names([f.name for f in seen.dirs], files))


def test_remote_addresses_are_network(run: Run) -> None:
    seen = run("try: pl.scan_parquet('s3://bucket/x.parquet')\nexcept Exception: pass")
    assert {r.code for r in seen.reasons} == {"network"}


def test_duckdb_still_finds_variables(run: Run, namespace: dict[str, Any]) -> None:
    run(
        """
        first = duckdb.sql("select sum(a) from df").fetchall()
        def inner():
            local = df.to_arrow()
            con = duckdb.connect()
            return con.execute("select sum(a) from local").fetchall(), con.sql("from local").fetchall()
        second = inner()
        """
    )
    assert namespace["first"] == [(3,)]
    assert namespace["second"] == ([(3,)], [(1, "x"), (2, "y")])


def test_shadows_look_like_the_originals(run: Run) -> None:
    assert pickle.loads(pickle.dumps(pl.read_csv)) is pl.read_csv
    assert pickle.loads(pickle.dumps(pq.read_table)) is pq.read_table
    assert next(iter(inspect.signature(pl.read_csv).parameters)) == "source"
    assert isinstance(pq.ParquetFile, type)
    assert inspect.isclass(h5py.File)
    assert (pl.DataFrame.write_csv.__doc__ or "").strip()
    assert callable(duckdb.sql)


def test_tracebacks_and_warnings_show_no_file_of_ours(run: Run) -> None:
    try:
        run("pl.read_csv('missing.csv')")
    except FileNotFoundError as error:
        shown = [frame.filename for frame in traceback.extract_tb(error.__traceback__)][1:]
        assert not any("strata_kernel" in name for name in shown)
    else:
        pytest.fail("no error")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run("pl.read_csv(b'a,b\\n1,2', dtypes={'a': pl.Int64}) if False else None")
    assert not any("strata_kernel" in w.filename for w in caught)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("select * from 'a.csv' where x = 'it''s'", [("r", "a.csv"), ("r", "it's")]),
        ("copy t to 'o.csv' (header)", [("w", "o.csv")]),
        ("ATTACH DATABASE 'x.db' AS y", [("u", "x.db")]),
        ("attach if not exists 'x.db'", [("r", "x.db")]),
        ("from \"a.parquet\" -- 'no.csv'\n", [("r", "a.parquet")]),
        ("/* 'no' */ export database 'folder'", [("w", "folder")]),
    ],
)
def test_files_in_statements(statement: str, expected: list[tuple[str, str]]) -> None:
    assert named_files(statement) == expected
