"""Each example runs, shows what plain Jupyter shows, and is served when it is run again."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from strata_kernel import Runner

EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDS = {
    "wine_frames": ["sklearn", "pandas", "matplotlib"],
    "digits_classification": ["sklearn", "pandas", "matplotlib"],
    "torch_training": ["torch", "sklearn", "matplotlib"],
    "files_and_seeds": ["numpy", "pandas"],
}
#: What makes an example quick enough for a test, by cell: less of it, the same in kind.
LESS = {
    "digits_classification": {
        "load": ("X, y = digits.data, digits.target", "X, y = digits.data[:500], digits.target[:500]"),
        "forest": ("n_estimators=150", "n_estimators=10"),
        "svm": ('"svc__C": [1, 3, 10], "svc__gamma": [0.003, 0.01, 0.03, "scale"]', '"svc__C": [1, 3]'),
        "network": ("MLPClassifier((64,), ", "MLPClassifier((16,), "),
    },
    "torch_training": {"first-epochs": ("train(20)", "train(3)"), "slower": ("train(20)", "train(3)")},
}


@pytest.fixture(autouse=True)
def quiet_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_CACHE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("STRATA_CACHE_MIN_RUNTIME_MS", "5")
    # Pools of threads on busy cores take many times longer than one thread.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")


def lessened(name: str, folder: Path) -> Path:
    """Copy an example into a folder, cut down where it takes long."""
    content = json.loads((EXAMPLES / f"{name}.ipynb").read_text("utf-8"))
    for cell in content["cells"]:
        if (change := LESS.get(name, {}).get(cell["id"])) is not None:
            source = "".join(cell["source"])
            assert change[0] in source, f"{name}: the cell {cell['id']} is not what this test expects"
            cell["source"] = source.replace(*change)
    folder.mkdir()
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(content), "utf-8")
    return path


def shown(content: Any) -> dict[str, list[Any]]:
    """Return what each cell shows, streams joined and plain texts without addresses."""
    found = {}
    for cell in content.cells:
        if cell.cell_type == "code":
            found[cell.id] = joined(part(output) for output in cell.outputs)
    return found


def joined(parts: Iterable[Any]) -> list[Any]:
    """Put streams together that follow each other: where they are cut depends on the moment."""
    found: list[Any] = []
    for each in parts:
        if found and isinstance(each, tuple) and isinstance(found[-1], tuple) and each[0] == found[-1][0]:
            found[-1] = each[0], found[-1][1] + each[1]
        else:
            found.append(each)
    return found


def part(output: Any) -> Any:
    if output.output_type == "stream":
        return output.name, output.text
    assert output.output_type in ("execute_result", "display_data"), output
    return {kind: re.sub(r"0x[0-9a-f]+", "0x", value) for kind, value in output.data.items()}


def in_plain_jupyter(path: Path) -> dict[str, list[Any]]:
    content = nbformat.read(path, 4)
    NotebookClient(content, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    return shown(content)


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_an_example_shows_what_plain_jupyter_shows_and_is_served_the_second_time(name: str, tmp_path: Path) -> None:
    for module in NEEDS[name]:
        pytest.importorskip(module)
    expected = in_plain_jupyter(lessened(name, tmp_path / "plain"))
    path = lessened(name, tmp_path / "ours")
    outputs = []
    for turn in ("cold", "warm"):
        output = tmp_path / f"{turn}.ipynb"
        with Runner() as runner:
            report = runner.run(path, output=output)
        outputs.append(shown(nbformat.read(output, 4)))
        assert report.ok, report
        statuses = {record.cell_id: record.status for record in report.cell_results}
        assert set(statuses.values()) == {"ok" if turn == "cold" else "cached"}, statuses
    assert outputs[0] == expected
    assert outputs[1] == expected
    files = {p.name: p.read_bytes() for p in (tmp_path / "ours").rglob("*") if p.suffix in (".csv", ".json")}
    plain = {p.name: p.read_bytes() for p in (tmp_path / "plain").rglob("*") if p.suffix in (".csv", ".json")}
    assert files == plain


@pytest.mark.slow
def test_files_that_a_cell_wrote_are_back_after_a_run_that_serves_it(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    path = lessened("files_and_seeds", tmp_path / "files")
    with Runner() as runner:
        runner.run(path)
    sample = path.parent / "samples" / "low_dose.csv"
    before = sample.read_bytes()
    sample.unlink()
    with Runner() as runner:
        report = runner.run(path)
    assert report.ok
    assert sample.read_bytes() == before


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_an_example_is_clean(path: Path) -> None:
    assert path.stem in NEEDS
    content = nbformat.read(path, nbformat.NO_CONVERT)
    nbformat.validate(content)
    assert (content.nbformat, content.nbformat_minor) == (4, 5)
    assert content.metadata.kernelspec.name == "strata"
    ids = [cell.id for cell in content.cells]
    assert all(re.fullmatch(r"[a-z][a-z-]*", i) for i in ids), ids
    for cell in content.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None), f"{cell.id} has outputs: clear them"
            ast.parse(cell.source)


def test_the_torch_example_says_what_is_missing(tmp_path: Path) -> None:
    content = nbformat.read(EXAMPLES / "torch_training.ipynb", 4)
    first = next(cell.source for cell in content.cells if cell.cell_type == "code")
    (tmp_path / "torch.py").write_text("raise ImportError('none here')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + first
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == "This notebook needs PyTorch, which is not installed here: pip install torch"


def test_the_tour_edits_a_cell_that_is_there(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("tour", EXAMPLES / "tour.py")
    assert spec is not None
    assert spec.loader is not None
    tour = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tour)
    path = tmp_path / "copy.ipynb"
    path.write_bytes(tour.NOTEBOOK.read_bytes())
    tour.edit(path)
    before, after = (nbformat.read(p, 4).cells for p in (tour.NOTEBOOK, path))
    changed = [new.id for old, new in zip(before, after, strict=True) if old.source != new.source]
    assert changed == [tour.CELL]
