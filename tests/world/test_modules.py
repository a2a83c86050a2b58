"""Facts about local modules, and what a source imports."""

from __future__ import annotations

import ast
import glob
import os
import time
from pathlib import Path

import pytest

from strata_kernel.world.modules import EXTERNAL, NOWHERE, LocalModules
from strata_kernel.world.places import local_roots
from strata_kernel.world.sources import imports_of, targets
from strata_kernel.world.world import LocalWorld


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / (name.replace("__", "/").replace("/init/", "__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(
        tmp_path,
        alone="x = 1\n",
        user="def f():\n    import helper\n    return helper.y\n",
        helper="from other import (z,  # a ) comment\n    w)\n",
        other="z = w = 1\n",
        loop1="import loop2\n",
        loop2="import loop1\n",
    )
    package = tmp_path / "pack"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from . import first\n")
    (package / "first.py").write_text("from .second import thing\n")
    (package / "second.py").write_text("from .inner import deep\nthing = 1\n")
    (package / "unused.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "deep.py").write_text("from ... import nothing\nfrom ..second import thing\n")
    return tmp_path


def names(modules: LocalModules, name: str) -> list[str]:
    return [source.name for source in modules.closure(name)]


def test_closures(root: Path) -> None:
    modules = LocalModules([str(root)])
    assert names(modules, "alone") == ["alone"]
    assert names(modules, "user") == ["helper", "other", "user"]
    assert names(modules, "loop1") == ["loop1", "loop2"]
    assert names(modules, "pack") == ["pack", "pack.first", "pack.inner", "pack.inner.deep", "pack.second"]
    assert names(modules, "pack.unused")[-1] == "pack.unused"
    assert names(modules, "numpy") == []


@pytest.mark.parametrize(
    ("name", "changed", "other"),
    [
        ("user", "other.py", "alone.py"),
        ("pack", "pack/inner/deep.py", "pack/unused.py"),
        ("loop1", "loop2.py", "user.py"),
    ],
)
def test_a_change_anywhere_in_the_closure_changes_the_digest(root: Path, name: str, changed: str, other: str) -> None:
    world = LocalWorld([str(root)], {})
    fact = world.observe("module", name)
    assert fact is not None
    (root / other).write_text("# changed\n")
    assert world.holds(fact)
    (root / changed).write_text((root / changed).read_text() + "\n# changed")
    assert not world.holds(fact)


def test_two_edits_within_the_grain_of_the_clock(root: Path) -> None:
    world = LocalWorld([str(root)], {})
    digests = set()
    for value in range(20):
        (root / "alone.py").write_text(f"x = {value + 10}\n")
        fact = world.observe("module", "alone")
        assert fact is not None
        digests.add(fact.digest)
    assert len(digests) == 20


def test_a_new_local_module_shadows_another(root: Path) -> None:
    world = LocalWorld([str(root)], {})
    user, external = world.observe("module", "user"), world.observe("module", "pandas")
    missing, standard = world.observe("module", "local_config"), world.observe("module", "calendar")
    assert user is not None
    assert external is not None
    assert missing is not None
    assert standard is not None
    assert external.digest == standard.digest == EXTERNAL
    assert missing.digest == NOWHERE
    for name in ("pandas", "local_config", "calendar"):
        (root / f"{name}.py").write_text("")
    assert not any(map(world.holds, (external, missing, standard)))
    assert world.holds(user)
    (root / "helper").mkdir()
    assert world.holds(user)
    (root / "helper" / "__init__.py").write_text("")
    assert not world.holds(user)


def test_imports_that_appear_later(root: Path) -> None:
    (root / "alone.py").write_text("import colours\n")
    world = LocalWorld([str(root)], {})
    fact = world.observe("module", "alone")
    assert fact is not None
    (root / "colours.py").write_text("")
    assert not world.holds(fact)


def test_data_files_beside_the_modules_change_nothing(root: Path) -> None:
    modules = LocalModules([str(root)])
    before = modules.observe("user")
    (root / "data.csv").write_text("x")
    (root / "data").mkdir()
    (root / "data" / "part.parquet").write_text("x")
    assert modules.observe("user") == before
    assert not modules.is_local("data")


def test_namespace_packages(root: Path) -> None:
    (root / "space" / "part").mkdir(parents=True)
    (root / "space" / "part" / "__init__.py").write_text("")
    (root / "space" / "mod.py").write_text("")
    modules = LocalModules([str(root)])
    assert names(modules, "space.mod") == ["space", "space.mod"]
    assert modules.is_local("space")


def test_local_modules_filters(root: Path) -> None:
    found = LocalModules([str(root)]).local_modules(["user", "numpy", "os", "pack.first", "nowhere_at_all"])
    assert set(found) == {"user", "pack.first"}


def test_star_imports_take_all_submodules(root: Path) -> None:
    (root / "alone.py").write_text("from pack import *\n")
    assert "pack.unused" in names(LocalModules([str(root)]), "alone")


def test_roots_leave_libraries_out(tmp_path: Path) -> None:
    inner = tmp_path / "venv" / "lib" / "site-packages"
    inner.mkdir(parents=True)
    plus = tmp_path / "plus"
    plus.mkdir()
    roots = local_roots(
        str(tmp_path), ["", str(inner), str(plus), os.path.dirname(os.__file__), str(tmp_path / "absent")]
    )
    assert roots == (str(tmp_path), str(plus))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b as c, d", {(0, "a.b", ()), (0, "d", ())}),
        ("from .a import b as c, d", {(1, "a", ("b", "d"))}),
        ("from . import a", {(1, "", ("a",))}),
        ("from a import *", {(0, "a", ("*",))}),
        ("from a import (b,\n  c,  # ) no\n)", {(0, "a", ("b", "c"))}),
        ("x = 1; import a; y = 2", {(0, "a", ())}),
        ("from a \\\n  import b", {(0, "a", ("b",))}),
        ("if x: import a", {(0, "a", ())}),
        ("importlib.import_module('a.b')", {(0, "a.b", ())}),
        ("reimport = important = 1", set()),
        ("from ..a.b import c", {(2, "a.b", ("c",))}),
    ],
)
def test_imports_of_a_source(source: str, expected: set[object]) -> None:
    assert set(imports_of(source.encode())) == expected


def test_imports_of_real_sources_are_complete() -> None:
    folder = os.path.dirname(os.__file__)
    for path in sorted(glob.glob(f"{folder}/*.py"))[:120]:
        source = Path(path).read_bytes()
        found = set(imports_of(source))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                assert {(0, a.name, ()) for a in node.names} <= found, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.level, node.module or "", tuple(a.name for a in node.names)) in found, path


@pytest.mark.parametrize(
    ("module", "package", "imported", "expected"),
    [
        ("a.b", False, (1, "", ("c",)), ["a", "a.c"]),
        ("a.b", True, (1, "", ("c",)), ["a.b", "a.b.c"]),
        ("a.b.c", False, (2, "d", ("e",)), ["a.d", "a.d.e"]),
        ("a", False, (1, "x", ()), []),
        ("a", False, (0, "x.y", ()), ["x.y"]),
    ],
)
def test_targets(module: str, package: bool, imported: tuple[int, str, tuple[str, ...]], expected: list[str]) -> None:
    assert targets(module, package, imported) == expected


def test_verifying_is_cheap(root: Path) -> None:
    world = LocalWorld([str(root)], {"A": "1"})
    facts = [world.observe("module", name) for name in ("user", "pack", "alone")] * 5
    facts += [
        world.observe("file", str(root / "alone.py")),
        world.observe("env", "A"),
        world.observe("dist", "numpy"),
    ] * 10
    kept = [fact for fact in facts if fact is not None]
    best = 9.0
    for _ in range(10):
        start = time.perf_counter()
        assert all(map(world.holds, kept))
        best = min(best, time.perf_counter() - start)
    # Some milliseconds when everything is young; the limit leaves room for a busy machine.
    assert best < 0.1
