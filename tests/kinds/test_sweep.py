"""All variants of a group side by side: each runs as if it stood alone, and readers get them by name."""

import msgspec

from strata_kernel.domain.cell import Aside, Cell, Gather, Spread
from strata_kernel.domain.variants import ALL, choose

from .test_variant import A, B, play

CELLS = {
    "a": "data = [10]",
    "v1": "# @variant model linear\nimport math\ndata.append(1)\nscore, kept = math.floor(1.5) + len(data), data\nprint('linear')",
    "v2": "# @variant model forest\nimport math\nscore = math.floor(2.5) * len(data)\nprint('forest')",
    "c": "print(score, data, math.pi > 3, sorted(kept))",
    "p": "# @per_variant\nhalf = score / 2\nprint(half)",
    "q": "# @per_variant model\nboth = [half, score]",
    "d": "print(half, both)",
}
SWEPT = {"model": ALL}


def statuses(runs):
    return {name: run.status for name, run in runs.items()}


def test_readers_get_every_variant_by_name(frontend):
    kernel = frontend()
    runs = play(kernel, SWEPT, **CELLS)
    assert not [r.content for r in runs.values() if r.error]
    assert [runs[v].text() for v in ("v1", "v2")] == ["linear\n", "forest\n"]
    assert runs["c"].text() == "{'linear': 3, 'forest': 2} [10] True ['linear']\n"
    assert runs["p"].text() == "1.5\n1.0\n"
    assert runs["d"].text() == "{'linear': 1.5, 'forest': 1.0} {'linear': [1.5, 3], 'forest': [1.0, 2]}\n"
    assert set(statuses(play(kernel, SWEPT, **CELLS)).values()) == {"hit"}
    kernel.restart()
    runs = play(kernel, SWEPT, **CELLS)
    assert set(statuses(runs).values()) == {"hit"}
    assert runs["p"].text() == "1.5\n1.0\n"
    assert kernel.value("both['forest']") == "[1.0, 2]"
    # One variant edited: the other is neither run again, nor are its lanes.
    edited = {**CELLS, "v2": CELLS["v2"].replace("2.5", "4.5")}
    runs = play(kernel, SWEPT, **edited)
    assert statuses(runs)["v1"] == "hit"
    assert runs["d"].text() == "{'linear': 1.5, 'forest': 2.0} {'linear': [1.5, 3], 'forest': [2.0, 4]}\n"
    assert "'forest', 2 of 2" in "".join(r["text"] for r in runs["p"].decision["reasons"])


def test_a_sweep_and_each_variant_alone_share_their_runs(frontend):
    kernel = frontend()
    cells = {n: s for n, s in CELLS.items() if n not in ("c", "q", "d")}
    play(kernel, SWEPT, **cells)
    for name, text in (("linear", "1.5\n"), ("forest", "1.0\n")):
        runs = play(kernel, {"model": name}, **cells)
        assert set(statuses(runs).values()) == {"hit", "bypass"}, statuses(runs)
        assert runs["p"].text() == text
    assert set(statuses(play(kernel, SWEPT, **cells)).values()) == {"hit"}


def test_failures_stand_among_the_results(frontend):
    kernel = frontend()
    cells = {
        "v1": A,
        "v2": "# @variant model forest\nscore = 1 / 0",
        "c": "print({k: v if isinstance(v, int) else str(v) for k, v in score.items()})",
        "p": "# @per_variant\nhalf = 1 // (score - 1) if score == 1 else 2",
        "d": "print({k: type(v).__name__ + ': ' + str(v) for k, v in half.items()})",
    }
    runs = play(kernel, SWEPT, **cells)
    assert [runs[n].content["status"] for n in cells] == ["ok"] * 5
    assert "ZeroDivisionError" in dict(runs["v2"].outputs)["error"]["ename"]
    assert runs["v2"].decision["error"]["ename"] == "ZeroDivisionError"
    failed = "failed: ZeroDivisionError: "
    assert runs["c"].text() == f"{{'linear': 1, 'forest': \"variant 'forest' {failed}division by zero\"}}\n"
    zero = "integer division or modulo by zero"
    assert f"variant 'linear' {failed}{zero}" in runs["d"].text()
    assert f"variant 'forest' {failed}division by zero" in runs["d"].text()
    runs = play(kernel, SWEPT, **cells)
    assert statuses(runs) == {"v1": "hit", "v2": "ran", "c": "hit", "p": "ran", "d": "hit"}
    cells["v2"] = B
    runs = play(kernel, SWEPT, **cells)
    assert runs["c"].text() == "{'linear': 1, 'forest': 2}\n"
    assert runs["d"].text().endswith("'forest': 'int: 2'}\n")


def test_headless_sweeps_by_settings_and_command_line(headless, capsys):
    from strata_kernel.cli.__main__ import main

    cells = {**CELLS, "v2": CELLS["v2"] + "\nkept = data"}
    toml = headless.path.parent / "strata.toml"
    toml.write_text('[[variant_group]]\ngroup = "model"\nmode = "sweep"\n')
    headless.write(**cells)
    assert headless.statuses() == dict.fromkeys(cells, "ok")
    headless.pool.close()
    assert headless.statuses() == dict.fromkeys(cells, "cached")
    assert not headless.started
    toml.unlink()
    assert main(["run", str(headless.path), "--sweep", "--format", "json"]) == 0
    out = capsys.readouterr().out
    assert out.count('"status":"cached"') == 2 * len(cells)
    assert "gather" not in out
    assert main(["compare", str(headless.path)]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert told[0] == ["model", "linear", "forest"]
    assert ["score", "3", "2"] in told
    assert ["half", "1.5", "1.0"] in told
    assert ["[model]", "linear", "forest"] in told
    assert main(["compare", str(headless.path), "modl"]) == 2
    assert "no cell is a variant of 'modl'" in capsys.readouterr().err


def test_the_comparison_knows_cheap_numbers_and_failures(headless, capsys, monkeypatch):
    from strata_kernel.cli.__main__ import main

    monkeypatch.setenv("STRATA_CACHE_MIN_RUNTIME_MS", "60000")
    cells = {
        "v1": "# @variant model linear\nscore, share, name = 3, 0.25, 'a' * 4000",
        "v2": "# @variant model forest\nscore = 1 / 0",
    }
    (headless.path.parent / "strata.toml").write_text('[[variant_group]]\ngroup = "model"\nmode = "sweep"\n')
    headless.run(output=headless.path, **cells)
    assert main(["compare", str(headless.path)]) == 0
    told = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert told[0] == ["model", "linear", "forest"]
    assert told[1] == ["state", "cached", "failed"]
    assert ["score", "3"] in told
    assert ["share", "0.25"] in told
    assert ["name", "(str", "(4000) 4.0 kB, not kept)"] in told
    assert ["[model]", "ZeroDivisionError:"] in [row[:2] for row in told]


def test_findings_on_lanes(headless, capsys):
    from strata_kernel.cli.__main__ import main

    toml = headless.path.parent / "strata.toml"
    toml.write_text("".join(f'[[variant_group]]\ngroup = "{g}"\nmode = "sweep"\n' for g in "gh"))
    headless.write(
        a="# @per_variant\nz = 1",
        b="# @variant g a\n# @per_variant\nx = 1",
        c="# @variant g a\nx = 2",
        d="# @variant h a\ny = 2",
        e="# @per_variant k\nz = x",
        f="# @per_variant\nz = x",
        g="# @per_variant h\nz = y",
        i="%%sql shpo\nSELECT 1",
    )
    assert main(["validate", str(headless.path), "--format", "json"]) == 1
    found = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    assert {(f["cell"], f["code"]) for f in found} == {
        ("a", "per_variant_no_sweep_source"),
        ("b", "per_variant_on_variant_member"),
        ("c", "variant_duplicate"),
        ("e", "per_variant_unknown_group"),
        ("f", "per_variant_ambiguous_group"),
        ("i", "sql_connection_unknown"),
    }


def chosen(*sources):
    return choose([Cell(f"c{i}", s) for i, s in enumerate(sources)], {"g": ALL}).standing


def test_the_cells_of_a_sweep():
    found = chosen(
        "# @variant g a\nx = 1", "y = 2", "# @variant g b\nx = 2", "# @per_variant\nz = x", "# @per_variant h\nz"
    )
    assert [type(c) for c in found] == [Aside, Cell, Aside, Gather, Spread, Cell]
    assert [(lane.name, lane.cells) for lane in found[4].lanes] == [
        ("a", ("c0", "gather:g")),
        ("b", ("c2", "gather:g")),
    ]
    assert [type(c) for c in chosen("# @per_variant\nz = x", "# @variant g a\nx = 1")] == [Cell, Aside, Gather]
