"""What is wrong with a document as a whole is said at the right cell and place."""

from __future__ import annotations

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.checks import check


def codes(*sources: str, **known: list[str]) -> list[tuple[str | None, str]]:
    cells = [Cell(chr(97 + i), source) for i, source in enumerate(sources)]
    return [(d.cell, d.code) for d in check(cells, **known)]


def test_after_names_cells_above() -> None:
    assert codes("# @name load\nx", "# @after load a") == []
    assert codes("# @name load\nx", "# @after laod") == [("b", "after_unknown")]
    assert codes("# @after b", "x") == [("a", "cycle")]
    assert codes("# @after a") == [("a", "cycle")]


def test_names_that_the_settings_must_know() -> None:
    assert codes("# @worker gpu") == [("a", "worker_unknown")]
    assert codes("# @worker gpu", "# @worker local", workers=["gpu"]) == []
    assert codes("# @mount raw file:///raw", mounts=["raw"]) == [("a", "mount_shadows_notebook")]


def test_variants_are_distinct() -> None:
    assert codes("# @variant m a", "# @variant m b", "# @variant m a") == [("c", "variant_duplicate")]


def test_findings_of_directives_carry_their_cell() -> None:
    assert codes("x", "# @chache off") == [("b", "directive_unknown")]
    assert check([Cell("m", "# @chache off", "markdown")]) == []
