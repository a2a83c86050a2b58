"""A warm notebook with every kind of cell: no kernel, no connection but freshness probes, no call of a model."""

import json
import subprocess
import sys

import pytest

from tests.kinds.models import endpoint
from tests.kinds.test_sql import Outside, port  # noqa: F401

CELLS = {
    "start": "least, state = 1, 1.0",
    "lite": "%%sql lite\n# @name small\nSELECT id, name FROM item WHERE id >= :least ORDER BY id",
    "duck": "%%sql duck\n# @name both\nSELECT item.name, small.id FROM item JOIN small USING (id) ORDER BY id",
    "post": "%%sql post\n# @name large\nSELECT name FROM item ORDER BY id",
    "ask": '%%prompt verdict\n# @output_schema {"type": "object", "required": ["mood"]}\nOf {{ both }} and {{ large }}',
    "loop": "# @loop max_iter=20 carry=state\n# @loop_until state < 0.01\nstate = state / 2\nprint(state)",
    "linear": "# @variant model linear\nscore = state + len(both)",
    "forest": "# @variant model forest\nscore = state - len(both)",
    "end": "print(verdict['mood'], score, large.name.tolist())",
}
#: DuckDB's files are looked at without it.
PROBES = ["sqlite3.connect", "psycopg"]
#: Runs the command in a process of its own, and tells what it opened and loaded.
RUN = """
import json, sys
import psycopg
from strata_kernel.cli.__main__ import main
opened = []
watched = ("sqlite3.connect", "subprocess.Popen", "socket.connect")
sys.addaudithook(lambda event, _: opened.append(event) if event in watched else None)
connect = psycopg.connect
psycopg.connect = lambda *a, **k: opened.append("psycopg") or connect(*a, **k)
code = main(["run", *sys.argv[1:], "--format", "json"])
heavy = ("duckdb", "pandas", "pyarrow", "openai", "nbclient", "zmq", "IPython", "sqlglot", "rfc3987_syntax")
print(json.dumps([code, opened, [m for m in heavy if sys.modules.get(m)]]), file=sys.stderr)
"""


@pytest.fixture
def databases(port, tmp_path):  # noqa: F811
    made = {}
    for name, engine in (("lite", "sqlite"), ("duck", "duckdb"), ("post", "postgresql")):
        made[name] = found = Outside(engine, tmp_path, port)
        found.file = f"{name}.db"
        found.execute("DROP TABLE IF EXISTS item", "CREATE TABLE item (id INTEGER, name TEXT)")
        found.execute("INSERT INTO item VALUES (1, 'one'), (2, 'two')")
    return made


def run(path, *options):
    done = subprocess.run([sys.executable, "-c", RUN, str(path), *options], capture_output=True, text=True, timeout=120)
    cells = [json.loads(line) for line in done.stdout.splitlines()]
    code, opened, heavy = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stdout
    return {c["cell_id"]: c["status"] for c in cells if c["type"] == "cell"}, opened, heavy


def test_a_warm_run_starts_no_kernel_asks_no_model_and_only_probes(headless, databases, monkeypatch):
    tables = "".join(f"[connections.{name}]\n{found.declared()}\n" for name, found in databases.items())
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    with endpoint() as (address, model):
        model.answers = ['{"mood": "calm"}']
        ai = f'[ai]\nmodel = "m-1"\nbase_url = "{address}"\n'
        (headless.path.parent / "strata.toml").write_text(tables + ai)
        headless.write(**CELLS)
        stand = [name for name in CELLS if name != "forest"]
        assert headless.statuses() == dict.fromkeys(stand, "ok")
        headless.pool.close()
        assert run(headless.path) == (dict.fromkeys(stand, "cached"), PROBES, [])
        assert len(model.requests) == 1
        # Each source is watched by itself: what does not follow from it is still served.
        for name in ("lite", "post"):
            databases[name].execute("INSERT INTO item VALUES (1, 'uno')")
            ran = {c: r.reasons for c, r in headless.run().items() if r.status == "ok"}
            assert {name} <= set(ran) <= {name, "duck", "ask", "linear", "end"}, ran
        headless.pool.close()
        assert len(model.requests) == 3
        # Also where it is written: of what nbformat brings along, nothing that takes longer than all else.
        output = str(headless.path.with_name("out.ipynb"))
        assert run(headless.path, "--output", output) == (dict.fromkeys(stand, "cached"), PROBES, [])
        assert len(model.requests) == 3


def test_drivers_are_loaded_before_a_cell_runs(headless):
    # Later, in the midst of a run, what they do to the process would be taken for the cell's.
    (headless.path.parent / "strata.toml").write_text('[connections.far]\ndriver = "postgresql"\n')
    assert headless.statuses(a="import sys\nassert 'psycopg' in sys.modules") == {"a": "ok"}
