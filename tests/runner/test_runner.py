"""`strata run` and the Python call behind it, with real kernels and a real store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from strata_kernel import KernelPool, Runner

COMMAND = [sys.executable, "-m", "strata_kernel.cli"]
CHAIN = {"a": "x = 1", "b": "y = x + 1\nprint('y', y)", "c": "z = y * 2", "d": "print('apart')"}


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("STRATA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STRATA_CACHE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("STRATA_CACHE_MIN_RUNTIME_MS", "0")


def write(folder: Path, cells: dict[str, str], name: str = "n.ipynb") -> Path:
    made = new_notebook(cells=[new_markdown_cell("# Title"), *(new_code_cell(s, id=i) for i, s in cells.items())])
    path = folder / name
    nbformat.write(made, path)
    return path


def strata(*words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **options
    )


def records(done: subprocess.CompletedProcess[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the status of each cell and the summary of a run with `--format json`."""
    *cells, summary = [json.loads(line) for line in done.stdout.splitlines()]
    return {c["cell_id"]: c["status"] for c in cells}, summary


def test_relative_paths_start_at_the_notebook_whoever_asks_from_where(tmp_path: Path) -> None:
    real, linked = tmp_path / "real", tmp_path / "linked"
    real.mkdir()
    linked.symlink_to(real)
    write(real, {"a": "n = open('notes.txt', 'w').write('text')", "b": "m = n + 1"})
    with Runner() as runner:
        assert runner.run(real / "n.ipynb").ok
    for folder in (real, linked):
        assert {s.state for s in Runner().status(folder / "n.ipynb")} == {"servable"}
    assert set(records(strata("run", "real/n.ipynb", "--format", "json", cwd=tmp_path))[0].values()) == {"cached"}


def test_cold_warm_edited_forced(tmp_path: Path) -> None:
    path = write(tmp_path, CHAIN)
    cold, _ = records(strata("run", path, "--format", "json"))
    assert set(cold.values()) == {"ok"}
    warm, summary = records(strata("run", path, "--format", "json"))
    assert set(warm.values()) == {"cached"}
    assert summary["counts"] == {"ok": 0, "cached": 4, "error": 0, "skipped": 0}
    write(tmp_path, {**CHAIN, "b": "y = x + 2\nprint('y', y)"})
    edited, _ = records(strata("run", path, "--format", "json"))
    assert edited == {"a": "cached", "b": "ok", "c": "ok", "d": "cached"}
    forced, _ = records(strata("run", path, "--format", "json", "--force"))
    assert set(forced.values()) == {"ok"}


def test_all_hits_start_no_kernel(tmp_path: Path) -> None:
    path = write(tmp_path, CHAIN)
    with Runner() as runner:
        assert runner.run(path).ok
        assert runner.kernels._pool is not None
    with Runner() as runner:
        report = runner.run(path)
        assert runner.kernels._pool is None
    assert [c.status for c in report.cell_results] == ["cached"] * 4
    assert all(c.cache_key and c.saved_ms is not None for c in report.cell_results)


def test_a_pool_keeps_its_kernels(tmp_path: Path) -> None:
    pool = KernelPool()
    pids = []
    try:
        for name in ("one.ipynb", "two.ipynb"):
            path = write(tmp_path, {"a": "# @cache off\nimport os\nprint(os.getpid())"}, name)
            out = tmp_path / f"out-{name}"
            with Runner(kernel_pool=pool) as runner:
                assert runner.run(path, output=out).ok
            pids.append(nbformat.read(out, 4).cells[1].outputs[0].text)
    finally:
        pool.close()
    assert pids[0] == pids[1]


def test_chosen_cells(tmp_path: Path) -> None:
    path = write(tmp_path, CHAIN)
    ran, _ = records(strata("run", path, "--format", "json", "--cell", "b"))
    assert set(ran) == {"a", "b"}


@pytest.mark.parametrize("warm", [False, True])
def test_outputs_are_written(tmp_path: Path, warm: bool) -> None:
    path = write(tmp_path, CHAIN)
    out = tmp_path / "out.ipynb"
    if warm:
        assert strata("run", path).returncode == 0
    assert strata("run", path, "--output", out).returncode == 0
    found = nbformat.read(out, 4)
    assert found.cells[2].outputs[0].text == "y 2\n"
    assert "outputs" not in nbformat.read(path, 4).cells[0]
    assert not nbformat.read(path, 4).cells[2].outputs
    assert strata("run", path, "--inplace").returncode == 0
    assert nbformat.read(path, 4).cells[2].outputs[0].text == "y 2\n"


def test_a_failure_skips_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": "x = 1", "b": "1 / 0", "c": "x"})
    out = tmp_path / "out.ipynb"
    done = strata("run", path, "--format", "json", "--output", out)
    statuses, summary = records(done)
    assert done.returncode == 1
    assert statuses == {"a": "ok", "b": "error", "c": "skipped"}
    assert summary["status"] == "error"
    assert summary["cell_results"][1]["error"]["ename"] == "ZeroDivisionError"
    assert nbformat.read(out, 4).cells[2].outputs[0].ename == "ZeroDivisionError"
    told = strata("run", path)
    assert told.returncode == 1
    assert "ZeroDivisionError: division by zero" in told.stdout
    assert "\x1b" not in told.stdout


def test_timeout(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": "import time\ntime.sleep(60)", "b": "1"})
    start = time.monotonic()
    done = strata("run", path, "--timeout", "2", "--format", "json")
    assert time.monotonic() - start < 40
    assert done.returncode == 1
    statuses, summary = records(done)
    assert statuses == {"a": "error", "b": "skipped"}
    assert summary["cell_results"][0]["error"]["ename"] == "TimeoutError"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupted(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": "x = 1", "b": "import time\nopen('begun', 'w').close()\ntime.sleep(60)", "c": "x"})
    process = subprocess.Popen(
        [*COMMAND, "run", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted" in out
    again, _ = records(strata("run", path, "--format", "json", "--cell", "a"))
    assert again == {"a": "cached"}


def test_wrong_invocations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = write(tmp_path, CHAIN), tmp_path / "bad.ipynb"
    bad.write_text("{ not a notebook")
    (tmp_path / "file").write_text("")
    cases = [
        ("run", tmp_path / "none.ipynb"),
        ("run", bad),
        ("run", good, "--kernel", "no-such-kernel"),
        ("run", good, "--cell", "zz"),
        ("why", good, "zz"),
    ]
    for words in cases:
        done = strata(*words)
        assert done.returncode == 2, (words, done.stdout, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "Traceback" not in done.stderr
    assert bad.read_text() == "{ not a notebook"
    monkeypatch.setenv("STRATA_CACHE_STORE", str(tmp_path / "file" / "store"))
    done = strata("run", good)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr


def test_what_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_CACHE_MAX_ARTIFACT_BYTES", "100000")
    monkeypatch.setenv("STRATA_CACHE_FILE_LIMIT_BYTES", "1000")
    cells = {
        "a": "# @name big\nbig = bytearray(500_000)\nsmall = [1]",
        "b": "with open('out.bin', 'wb') as f:\n    f.write(b'1' * 5000)",
        "c": "print(len(big), small)",
    }
    path = write(tmp_path, cells)
    cold, summary = records(strata("run", path, "--format", "json"))
    assert set(cold.values()) == {"ok"}
    value, file = summary["large_artifacts"]
    assert (value["path"], value["cell_id"], value["cell_name"], value["limit_mb"]) == ("big", "a", "big", 0.1)
    assert 0.5 <= value["size_mb"] < 0.6
    assert (Path(file["path"]).name, file["size_mb"], file["limit_mb"]) == ("out.bin", 0.005, 0.001)
    stored = sum(f.stat().st_size for f in (tmp_path / "store").rglob("*") if f.is_file())
    assert stored < 100_000
    warm, again = records(strata("run", path, "--format", "json"))
    assert set(warm.values()) == {"cached"}
    assert again["large_artifacts"] == summary["large_artifacts"]
    write(tmp_path, {**cells, "c": "print('now', len(big), small)"})
    edited, _ = records(strata("run", path, "--format", "json", "--output", tmp_path / "out.ipynb"))
    assert edited == {"a": "cached", "b": "cached", "c": "ok"}
    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[3].outputs[0].text == "now 500000 [1]\n"
    (tmp_path / "out.bin").unlink()
    statuses, _ = records(strata("run", path, "--format", "json"))
    assert statuses["b"] == "ok", "a file that is gone and was not kept is made again"
    assert (tmp_path / "out.bin").stat().st_size == 5000


def test_findings_are_structured_warnings(tmp_path: Path) -> None:
    (tmp_path / "strata.toml").write_text('workers = [{ name = "gpu-a100" }]\n')
    path = write(tmp_path, {"a": "# @timeout soon\nx = 1", "b": "# @after nowhere\ny = 2"})
    with Runner() as runner:
        report = runner.run(path)
    assert report.ok
    found = [(d.code, d.cell, d.line, d.column) for d in report.diagnostics]
    assert found == [("timeout_not_numeric", "a", 1, 2), ("after_unknown", "b", 1, 2)]


def test_a_workers_name_that_is_nearly_right(tmp_path: Path) -> None:
    (tmp_path / "strata.toml").write_text('workers = [{ name = "gpu-a100" }]\n')
    path = write(tmp_path, {"a": "# @worker gpu-a10\nx = 1"})
    done = strata("validate", path, cwd=tmp_path)
    assert "a:1:3: warning: no worker is named 'gpu-a10'; did you mean gpu-a100? [worker_unknown]" in done.stdout
