"""Facts about files, directories and absent paths."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from blake3 import blake3

from strata_kernel.domain.manifest import Fact
from strata_kernel.world.files import EXISTS, Files, agrees, files_below, read_digest, stat_of
from strata_kernel.world.world import LocalWorld


def aged(path: Path, seconds: float = 60) -> Path:
    """Give a file an old modification time; its ctime stays young, as the system has it."""
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


@pytest.fixture
def world(tmp_path: Path) -> LocalWorld:
    return LocalWorld([str(tmp_path)], {})


def test_content_is_the_digest_of_the_bytes(tmp_path: Path, world: LocalWorld) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 3_000_000)
    fact = world.observe("file", str(path))
    assert fact is not None
    assert fact.digest == blake3(path.read_bytes()).hexdigest()
    assert world.holds(fact)


def test_large_files_have_the_same_digest_in_threads(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(20_000_000))
    assert read_digest(str(path)) == blake3(path.read_bytes()).hexdigest()


def test_a_young_file_has_no_stat_and_is_always_digested(tmp_path: Path, world: LocalWorld) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    fact = world.observe("file", str(path))
    assert fact is not None
    assert fact.stat == ()
    for text in ("two", "six", "one"):
        path.write_text(text)
        assert world.holds(fact) is (text == "one")


def test_an_old_file_holds_by_its_stat(tmp_path: Path, world: LocalWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    monkeypatch.setattr("strata_kernel.world.files.YOUNG_NS", -1)
    fact = world.observe("file", str(path))
    assert fact is not None
    assert fact.stat == stat_of(str(path))
    monkeypatch.setattr("strata_kernel.world.files.read_digest", lambda p: pytest.fail("was read"))
    assert world.holds(fact)


def test_same_size_and_mtime_are_not_enough(tmp_path: Path, world: LocalWorld) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    then = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    fact = world.observe("file", str(path))
    assert fact is not None
    path.write_text("two")
    os.utime(path, ns=then)
    assert not world.holds(fact)


def test_a_touched_file_holds_by_its_content(tmp_path: Path, world: LocalWorld) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    fact = world.observe("file", str(path))
    assert fact is not None
    aged(path)
    assert world.holds(fact)


def test_no_file_no_fact(tmp_path: Path, world: LocalWorld) -> None:
    assert world.observe("file", str(tmp_path / "nothing")) is None
    assert world.observe("file", str(tmp_path)) is None
    os.mkfifo(tmp_path / "pipe")
    assert world.observe("file", str(tmp_path / "pipe")) is None


def test_absence(tmp_path: Path, world: LocalWorld) -> None:
    path = tmp_path / "a"
    fact = world.observe("absent", str(path))
    assert fact == Fact("absent", str(path))
    assert world.holds(fact)
    path.symlink_to(tmp_path / "nowhere")
    assert not world.holds(fact)
    assert world.observe("absent", str(path)) is None


def test_listing(tmp_path: Path, world: LocalWorld) -> None:
    (tmp_path / "a").touch()
    fact = world.observe("dir", str(tmp_path))
    assert fact is not None
    (tmp_path / "a").write_text("content is no part of it")
    assert world.holds(fact)
    (tmp_path / "b").touch()
    assert not world.holds(fact)
    (tmp_path / "b").unlink()
    assert world.holds(fact)
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    assert not world.holds(fact)
    assert world.observe("dir", str(tmp_path / "c")) is None


def test_existence(tmp_path: Path, world: LocalWorld) -> None:
    path = tmp_path / "a"
    assert not world.holds(Fact("file", str(path), EXISTS))
    path.touch()
    assert world.holds(Fact("file", str(path), EXISTS))
    assert not world.holds(Fact("dir", str(path), EXISTS))
    assert world.holds(Fact("dir", str(tmp_path), EXISTS))
    assert not world.holds(Fact("file", str(tmp_path), EXISTS))


def test_agrees_with_a_file_that_is_still_to_be_written() -> None:
    assert agrees(Fact("file", "/a", "d"), "d")
    assert not agrees(Fact("file", "/a", "d"), "e")
    assert agrees(Fact("file", "/a", EXISTS), "e")
    assert not agrees(Fact("file", "/a", EXISTS), None)
    assert agrees(Fact("absent", "/a"), None)
    assert not agrees(Fact("absent", "/a"), "d")
    assert not agrees(Fact("file", "/a", "stat:1:2"), "d")


def test_files_below_in_order(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [os.path.relpath(p, tmp_path) for p in files_below(str(tmp_path), 10)]
    assert found == ["a/3", "b/1", "b/2"]
    assert len(list(files_below(str(tmp_path), 2))) == 2


def test_digests_are_kept_by_stat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strata_kernel.world.files.YOUNG_NS", -1)
    path = tmp_path / "a"
    path.write_text("one")
    files, stat = Files(), stat_of(str(path))
    assert stat is not None
    assert files.known(str(path), stat) is None
    first = files.digest(str(path), stat)
    assert files.known(str(path), stat) == first


def test_environment(tmp_path: Path) -> None:
    variables = {"A": "1", "EMPTY": ""}
    world = LocalWorld([str(tmp_path)], variables)
    one, unset, empty = (world.observe("env", name) for name in ("A", "B", "EMPTY"))
    assert one is not None
    assert unset is not None
    assert empty is not None
    assert unset.digest == ""
    assert empty.digest != ""
    assert world.holds(one)
    assert world.holds(unset)
    assert world.holds(empty)
    variables |= {"A": "2", "B": ""}
    del variables["EMPTY"]
    assert not world.holds(one)
    assert not world.holds(unset)
    assert not world.holds(empty)


def test_unknown_kinds_cannot_be_told(world: LocalWorld) -> None:
    assert world.observe("moon", "phase") is None
