"""Variant cells: one of each group stands, and flipping between them costs nothing."""

import pytest

from strata_kernel.cli.__main__ import main
from strata_kernel.domain.cell import Cell
from strata_kernel.domain.variants import choose, findings

A = "# @variant model linear\nscore = 1\nprint('linear')"
B = "# @variant model forest\nscore = 2\nprint('forest')"
CELLS = {"a": "n = 10", "v1": A, "v2": B, "c": "print(score * n)"}


def play(kernel, active=None, **cells):
    kernel.document(**cells)
    listed = [{"id": i, "kind": "code", "source": s} for i, s in cells.items()]
    kernel.revision += 1
    kernel.tell(type="document", revision=kernel.revision, cells=listed, variants=active or {})
    return {name: kernel.run(source, name) for name, source in cells.items()}


def test_one_of_a_group_stands_and_flipping_back_runs_nothing(frontend):
    kernel = frontend()
    runs = play(kernel, **CELLS)
    assert runs["c"].text() == "10\n"
    assert runs["v2"].status == "bypass"
    assert "'linear' is" in runs["v2"].text("stderr")
    runs = play(kernel, {"model": "forest"}, **CELLS)
    assert runs["c"].text() == "20\n"
    assert [runs[i].status for i in CELLS] == ["hit", "bypass", "ran", "ran"]
    for active, shown in (("linear", "10\n"), ("forest", "20\n"), ("linear", "10\n")):
        runs = play(kernel, {"model": active}, **CELLS)
        assert runs["c"].text() == shown
        assert {r.status for r in runs.values()} == {"hit", "bypass"}
    kernel.restart()
    runs = play(kernel, {"model": "forest"}, **CELLS)
    assert {r.status for r in runs.values()} == {"hit", "bypass"}
    assert runs["c"].text() == "20\n"


def test_a_reader_brings_the_active_variant_and_no_other(frontend):
    kernel = frontend()
    kernel.document(**CELLS)
    assert kernel.run(CELLS["c"], "c").text() == "10\n"
    kernel.run("%strata variant model=forest", "m")
    assert kernel.run(CELLS["c"], "c").text() == "20\n"


def test_names_of_the_other_variant_are_gone(frontend):
    kernel = frontend()
    cells = {
        "v1": "# @variant g x\nonly_x = 1",
        "v2": "# @variant g y\nonly_y = 2",
        "c": "print(sorted(n for n in globals() if n.startswith('only_')))",
    }
    assert play(kernel, {"g": "x"}, **cells)["c"].text() == "['only_x']\n"
    assert play(kernel, {"g": "y"}, **cells)["c"].text() == "['only_y']\n"


def test_headless_the_command_line_chooses(headless, capsys):
    headless.write(**CELLS)
    assert headless.statuses() == {"a": "ok", "v1": "ok", "c": "ok"}
    headless.write({"variants": {"model": "forest"}}, **CELLS)
    assert headless.statuses() == {"a": "cached", "v2": "ok", "c": "ok"}
    headless.pool.close()
    assert main(["run", str(headless.path), "--variant", "model=linear", "--format", "json"]) == 0
    assert '"cell_id":"v1"' in capsys.readouterr().out
    assert headless.statuses() == {"a": "cached", "v2": "cached", "c": "cached"}
    (headless.path.parent / "strata.toml").write_text('[[variant_group]]\ngroup = "model"\nactive = "linear"\n')
    headless.write(**CELLS)
    assert headless.statuses() == {"a": "cached", "v1": "cached", "c": "cached"}
    assert not headless.started


def cells(*sources):
    return [Cell(f"c{i}", s) for i, s in enumerate(sources)]


def ids(found):
    return [c.id for c in found.standing]


@pytest.mark.parametrize(
    ("active", "standing"), [({}, ["c0", "c1"]), ({"g": "b"}, ["c0", "c2"]), ({"g": "nothing"}, ["c0", "c1"])]
)
def test_the_active_one_stands_else_the_first(active, standing):
    assert ids(choose(cells("1", "# @variant g a\nx = 1", "# @variant g b\nx = 2"), active)) == standing


def test_twins_and_documents_that_are_still_coming():
    twins = cells("# @variant g a\nx = 1", "# @variant g a\nx = 2")
    assert ids(choose(twins, {})) == ["c0"]
    assert ids(choose(twins, {"g": "b"}, whole=False)) == []


def test_findings():
    group = cells("# @variant g a\nx = 1", "# @variant g b\ny = 2", "# @variant h a\nx = 1")
    bound = {"c0": frozenset("x"), "c1": frozenset("y"), "c2": frozenset("x")}
    found = list(findings(group, {"g": "bb"}, lambda c: bound[c.id]))
    assert [(d.code, d.cell) for d in found] == [("variant_active_unknown", "c0"), ("variant_contract_mismatch", "c1")]
    assert found[0].suggestion == "b"
