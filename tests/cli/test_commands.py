"""The commands: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strata_kernel.cli.__main__ import COMMANDS, main
from tests.cli.conftest import FAILURE, ScriptedRunner

Write = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def test_run_tells_people(scripted: type[ScriptedRunner], notebook: Write, capsys: Capture) -> None:
    assert main(["run", str(notebook("n.ipynb", "x", "y"))]) == 0
    out, err = capsys.readouterr()
    name, load, other, total = out.splitlines()
    assert name.endswith("n.ipynb")
    assert load.split() == ["load", "cached", "saved", "2.0", "s"]
    assert other.split() == ["b", "ran", "1.5", "s", "the", "code", "changed"]
    assert total == "ok: 1 ran, 1 cached in 1.5 s, saved 2.0 s"
    assert err == ""


def test_run_prints_records(scripted: type[ScriptedRunner], notebook: Write, capsys: Capture) -> None:
    scripted.script.append(FAILURE)
    assert main(["run", str(notebook("n.ipynb", "x")), "--format", "json"]) == 1
    *cells, summary = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [c["type"] for c in cells] == ["cell"] * 3
    keys = {
        "type",
        "cell_id",
        "cell_name",
        "status",
        "cache_key",
        "duration_ms",
        "saved_ms",
        "worker",
        "reasons",
        "error",
    }
    assert all(set(c) == keys for c in cells)
    assert cells[2]["error"] == {"ename": "ValueError", "evalue": "no", "traceback": ["\x1b[31mTrace\x1b[0m", "line 2"]}
    assert (summary["type"], summary["schema_version"], summary["status"]) == ("summary", 1, "error")
    assert summary["counts"] == {"ok": 1, "cached": 1, "error": 1, "skipped": 0}
    assert summary["cell_results"] == cells
    assert set(summary) >= {"notebook", "total_duration_ms", "large_artifacts"}


def test_quiet_prints_failures_only(scripted: type[ScriptedRunner], notebook: Write, capsys: Capture) -> None:
    path = str(notebook("n.ipynb"))
    assert main(["run", path, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    scripted.script.append(FAILURE)
    assert main(["run", path, "--quiet"]) == 1
    out = capsys.readouterr().out
    assert "ValueError: no" in out
    assert "    Trace\n    line 2" in out
    assert "load" not in out


def test_options_reach_the_runner(scripted: type[ScriptedRunner], notebook: Write, tmp_path: Path) -> None:
    path = notebook("n.ipynb")
    main(
        [
            "run",
            str(path),
            "--force",
            "--no-sync",
            "--timeout",
            "9",
            "--cell",
            "a",
            "b",
            "--output",
            "o.ipynb",
            "--kernel",
            "k",
        ]
    )
    main(["run", str(path), "--inplace"])
    first, second = scripted.calls
    assert first == {
        "path": path, "force": True, "kernel_name": "k", "timeout": 9.0, "cells": ["a", "b"], "output": Path("o.ipynb"),
    }  # fmt: skip
    assert second["output"] == path


def test_a_folder_runs_in_order(
    scripted: type[ScriptedRunner], notebook: Write, tmp_path: Path, capsys: Capture
) -> None:
    for name in ("b.ipynb", "a/z.ipynb", ".ipynb_checkpoints/c.ipynb", "c-bad.ipynb"):
        notebook(name)
    assert main(["run", str(tmp_path), "--format", "json", "--output", "out"]) == 2
    assert [c["path"].name for c in scripted.calls] == ["z.ipynb", "b.ipynb", "c-bad.ipynb"]
    assert scripted.calls[0]["output"] == Path("out/a/z.ipynb")
    out, err = capsys.readouterr()
    assert sum('"summary"' in line for line in out.splitlines()) == 2
    assert err.startswith("strata: ")
    assert err.count("\n") == 1


def test_interrupting_leaves_a_report(scripted: type[ScriptedRunner], notebook: Write, capsys: Capture) -> None:
    scripted.script.append(KeyboardInterrupt())
    assert main(["run", str(notebook("n.ipynb"))]) == 130
    assert capsys.readouterr().out.splitlines()[-1].startswith("interrupted: 1 ran, 1 cached in")
    assert main(["run", str(notebook("n.ipynb")), "--format", "json"]) == 130
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["status"], len(summary["cell_results"])) == ("error", 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such notebook or folder"),
        ("{", "is no notebook"),
        ("[]", "is no notebook of format 4"),
        ('{"worksheets": []}', "is no notebook of format 4"),
        ('{"cells": [{"cell_type": "code", "source": 1}]}', "the source of cell 1 is no text"),
        (b"\xff\xfe", "is no notebook"),
    ],
)
def test_what_is_no_notebook(
    content: str | bytes | None, message: str, scripted: type[ScriptedRunner], tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "n.ipynb"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["run", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("strata: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_empty_folder_is_wrong(tmp_path: Path, capsys: Capture) -> None:
    assert main(["run", str(tmp_path)]) == 2
    assert "no notebook below" in capsys.readouterr().err


def test_a_bug_is_one_line_too(scripted: type[ScriptedRunner], notebook: Write, capsys: Capture) -> None:
    scripted.script = [ValueError("odd\nthing")]
    assert main(["run", str(notebook("n.ipynb"))]) == 2
    assert capsys.readouterr().err == "strata: unexpected ValueError: odd thing (STRATA_DEBUG=1 shows where)\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["rnu"],
        ["run"],
        ["run", "n", "--timeout", "0"],
        ["run", "n", "--timeout", "x"],
        ["run", "n", "--inplace", "--output", "o"],
        [],
    ],
)
def test_wrong_invocations(arguments: list[str], capsys: Capture) -> None:
    assert main(arguments) == 2


def test_help_names_every_command(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name}" in out for name in COMMANDS)
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
    assert main(["--version"]) == 0
    assert re.search(r"^strata \d+\.\d+", capsys.readouterr().out, re.MULTILINE)


def test_why_and_status(scripted: type[ScriptedRunner], notebook: Write, capsys: Capture) -> None:
    path = str(notebook("n.ipynb"))
    assert main(["why", path, "a"]) == 0
    assert capsys.readouterr().out == "a: stale\n  the code changed (line 3)\n"
    assert main(["why", path, "z"]) == 2
    assert main(["status", path]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [["load", "servable"], ["b", "stale"]]
    assert main(["status", path, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["state"] == "servable"


def test_dag(scripted: type[ScriptedRunner], notebook: Write, capsys: Capture) -> None:
    path = str(notebook("n.ipynb"))
    assert main(["dag", path]) == 0
    graph = json.loads(capsys.readouterr().out)
    assert [c["id"] for c in graph["cells"]] == ["a", "b", "c"]
    assert graph["edges"] == [{"from": "a", "to": "b", "names": ["df"]}, {"from": "b", "to": "c", "names": []}]
    assert main(["dag", path, "--format", "dot"]) == 0
    dot = capsys.readouterr().out
    assert r'"a" [label="load \"x\""];' in dot
    assert '"a" -> "b" [label="df"];' in dot
    assert main(["dag", path, "--format", "mermaid"]) == 0
    mermaid = capsys.readouterr().out
    assert 'c1["load #quot;x#quot;"]' in mermaid
    assert 'c1 -->|"df"| c2' in mermaid
    assert "c2 --> c3" in mermaid


def test_validate(notebook: Write, tmp_path: Path, capsys: Capture) -> None:
    good = notebook("good.ipynb", "# @name a\nx = 1")
    assert main(["validate", str(good)]) == 0
    assert capsys.readouterr().out.endswith("good.ipynb: valid\n")
    (tmp_path / "strata.toml").write_text("[cach]\n")
    bad = notebook("bad.ipynb", "# @chache off", "# @after b")
    assert main(["validate", str(bad)]) == 1
    out = capsys.readouterr().out
    assert "a:1:3: warning: unknown directive @chache; did you mean @cache? [directive_unknown]" in out
    assert "[cycle]" in out
    assert "[setting_unknown]" in out
    assert main(["validate", str(bad), "--format", "json"]) == 1
    assert {json.loads(line)["code"] for line in capsys.readouterr().out.splitlines()} == {
        "setting_unknown", "directive_unknown", "cycle",
    }  # fmt: skip


def test_cache(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = ["--store", str(tmp_path / "store")]

    def run(*arguments: str) -> Any:
        assert main(["cache", *arguments, *store, "--format", "json"]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert run("stats")[0]["manifests"] == 0
    assert run("ls") == []
    assert run("gc", "--max-bytes", "0")[0]["manifests"] == 0
    assert run("verify") == []
    assert run("clear")[0]["freed"] == 0
    for verb in ("stats", "ls", "gc", "verify", "clear"):
        assert main(["cache", verb, *store]) == 0
    assert main(["cache", "gc", *store, "--max-bytes=-1"]) == 2
    (tmp_path / "strata.toml").write_text("[cache")
    assert main(["cache", "stats"]) == 2


def test_kernel_install(tmp_path: Path, capsys: Capture) -> None:
    assert main(["kernel", "install", "--prefix", str(tmp_path), "--name", "mine"]) == 0
    place = tmp_path / "share" / "jupyter" / "kernels" / "mine"
    assert str(place) in capsys.readouterr().out
    spec = json.loads((place / "kernel.json").read_text("utf-8"))
    assert spec["argv"][0] == sys.executable
    assert spec["env"] == {"PYTHONHASHSEED": "0"}
    assert (place / "logo-svg.svg").is_file()
    (tmp_path / "file").write_text("")
    assert main(["kernel", "install", "--prefix", str(tmp_path / "file")]) == 2


def test_the_reader_of_a_pipe_may_leave(tmp_path: Path) -> None:
    head = shutil.which("head")
    if head is None:
        pytest.skip("no head here")
    command = f"{sys.executable} -m strata_kernel.cli --help | {head} -n 1"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr
