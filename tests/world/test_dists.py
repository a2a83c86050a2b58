"""Facts about installed distributions."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from strata_kernel.world.dists import Distributions, top_level_names
from strata_kernel.world.world import LocalWorld


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    install(folder, "Big_Thing", "1.0", ["big/__init__.py", "big/x.py"], ["small>=1", "extra-only; extra == 'more'"])
    install(folder, "small", "2.0", ["small.py"], ["medium[more]; python_version > '3'", "old; python_version < '3'"])
    install(folder, "medium", "3.0", ["medium/__init__.py"], ["extra-only; extra == 'more'"])
    install(folder, "extra-only", "4.0", ["extra_only.cpython-311-x86_64-linux-gnu.so"], [])
    install(folder, "old", "0.1", ["old.py"], [])
    return folder


def install(folder: Path, name: str, version: str, files: list[str], requires: list[str]) -> None:
    place = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir()
    (place / "RECORD").write_text(
        "".join(f"{f},sha256=x,1\n" for f in [*files, f"{place.name}/METADATA", "../../bin/x"])
    )
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    (place / "METADATA").write_text("\n".join(lines) + "\n\nRequires-Dist: not-a-header\n")


def test_closure_by_requirements(site: Path) -> None:
    found = Distributions([str(site)]).distributions_of({"big.x", "nothing"})
    assert {k: v for k, v in found.items() if k != "pip"} == {
        "big-thing": "1.0",
        "extra-only": "4.0",
        "medium": "3.0",
        "small": "2.0",
    }
    assert "extra-only" not in Distributions([str(site)]).distributions_of({"old"})


def test_versions_follow_the_folder(site: Path) -> None:
    world = LocalWorld([str(site.parent)], {}, [str(site)])
    fact, absent = world.observe("dist", "big.thing"), world.observe("dist", "tiny")
    assert fact is not None
    assert absent is not None
    assert (fact.digest, absent.digest) == ("1.0", "")
    assert world.holds(fact)
    assert world.holds(absent)
    (site / "Big_Thing-1.0.dist-info").rename(site / "Big_Thing-1.1.dist-info")
    assert not world.holds(fact)
    install(site, "tiny", "1", ["tiny.py"], [])
    assert not world.holds(absent)


def test_top_level_names(site: Path) -> None:
    assert top_level_names(str(site / "Big_Thing-1.0.dist-info")) == {"big"}
    assert top_level_names(str(site / "small-2.0.dist-info")) == {"small"}
    assert top_level_names(str(site / "extra_only-4.0.dist-info")) == {"extra_only"}


def test_facts_of_imports(site: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    (site / "old.py").write_text("")
    world = LocalWorld([str(tmp_path)], {}, [str(site)])
    found = {(f.kind, f.name) for f in world.facts_of({"mine", "old", "os", "not_there"})}
    assert found == {("module", "mine"), ("dist", "old"), ("module", "not_there")}


def test_real_environment() -> None:
    dists = Distributions()
    found = dists.distributions_of({"pandas", "sklearn"})
    for name in ("pandas", "numpy", "scikit-learn", "scipy"):
        assert found[name] == importlib.metadata.version(name)
    assert "matplotlib" not in found
    assert dists.version("NumPy") == importlib.metadata.version("numpy")
