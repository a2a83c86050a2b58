"""TypeScript keeps to the house's sizes too; ESLint checks functions, classes and layers, this needs no Node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "src" / "protocol.ts"
FILES = sorted(p for p in (ROOT / "src").rglob("*.ts*") if p != GENERATED)
SPECS = sorted((ROOT / "ui-tests" / "tests").glob("*.ts"))

MAX_FILE = 350


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*FILES, *SPECS], ids=name)
def test_sizes(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE


@pytest.mark.parametrize("path", [p for p in FILES if "__tests__" not in p.parts], ids=name)
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    assert re.match(r"/\*\*.*?[.:]?\s*\*/", path.read_text("utf-8"), re.DOTALL)


def test_only_the_connection_knows_comms() -> None:
    knowing = {name(p) for p in FILES if re.search(r"createComm|\.IComm\b", p.read_text("utf-8"))}
    assert knowing - {"src/__tests__/kernel.ts"} == {"src/connection.ts"}


def test_no_cell_executor() -> None:
    """Providing one means disabling core's plugin, and it collides with jupyter-collaboration."""
    assert not any("INotebookCellExecutor" in p.read_text("utf-8") for p in FILES)


def test_plugins_are_named_after_their_files() -> None:
    index = (ROOT / "src" / "index.ts").read_text("utf-8")
    for path in (ROOT / "src" / "plugins").glob("*.ts*"):
        stem = path.stem
        assert f"`${{PACKAGE}}:{stem}`" in path.read_text("utf-8"), name(path)
        assert f"./plugins/{stem}'" in index, f"{stem} is not listed in index.ts"
    schemas = {p.stem for p in (ROOT / "src" / "schema").glob("*.json")}
    assert schemas <= {p.stem for p in (ROOT / "src" / "plugins").glob("*.ts*")}
