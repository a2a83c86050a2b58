"""Mounts without a network: folders of this machine, the bound of what is kept, and several notebooks at once."""

import os
import pickle
import shutil
import time
from contextlib import ExitStack
from pathlib import Path, PurePath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata_kernel.domain.directive_values import Mount
from strata_kernel.errors import MountError
from strata_kernel.mounts.mounts import Mounts
from strata_kernel.mounts.path import MountPath


@pytest.fixture
def make(tmp_path):
    """Make the mounts of one process; the folders `raw` and `out` stand for what lies elsewhere."""
    for name in ("raw", "out"):
        (tmp_path / name).mkdir(exist_ok=True)

    def made(cache="cache", limit=10**9, declared=()):
        found = Mounts(tmp_path / cache, declared, {}, limit)
        found.install()
        return found

    return made


class Run:
    """One run of a cell, as the kernel has it."""

    def __init__(self, mounts, *bound):
        self.mounts, self.names, self._stack = mounts, {}, ExitStack()
        self._stack.enter_context(mounts.bound(bound, self.names))

    def end(self):
        self._stack.close()
        self.mounts.commit()
        return self.mounts.seen()


def test_the_name_is_bound_for_the_run_alone(make, tmp_path):
    mounts = make()
    namespace = {"raw": 1}
    with mounts.bound([Mount("raw", f"file://{tmp_path}/raw"), Mount("x", f"file://{tmp_path}/out")], namespace):
        assert isinstance(namespace["raw"], Path)
        assert repr(namespace["raw"] / "a") == f"MountPath('file://{tmp_path}/raw/a')"
    assert namespace == {"raw": 1}


def test_facts_hold_until_what_was_looked_at_changes(make, tmp_path):
    raw = tmp_path / "raw"
    (raw / "a.txt").write_text("a")
    (raw / "b.txt").write_text("b")
    mount = Mount("raw", f"file://{raw}")

    def facts(look):
        mounts = make()
        run = Run(mounts, mount)
        look(run.names["raw"])
        found, reasons = run.end()
        assert reasons == []
        return found

    def broken(found):
        fresh = make("another")
        return sorted(f.name.removeprefix(mount.uri) for f in found if not fresh.holds(f))

    read = facts(lambda p: (p / "a.txt").read_text())
    listed = facts(lambda p: list(p.iterdir()))
    deep = facts(lambda p: list(p.rglob("*.txt")))
    missing = facts(lambda p: (p / "c.txt").exists())
    whole = facts(os.fspath)
    every = (read, listed, deep, missing, whole)
    assert [broken(f) for f in every] == [[]] * 5
    os.utime(raw / "a.txt")
    assert [broken(f) for f in every] == [[]] * 5, "the same bytes are the same file"
    (raw / "a.txt").write_text("A")
    assert [broken(f) for f in every] == [["/a.txt"], [], [], [], ["/a.txt"]]
    (raw / "c.txt").write_text("c")
    assert [broken(f) for f in every] == [["/a.txt"], [""], ["/**"], ["/c.txt"], ["/**", "/a.txt"]]


def test_links_lead_nowhere_outside(make, tmp_path):
    (tmp_path / "secret").write_text("s")
    raw = tmp_path / "raw"
    (raw / "inner").mkdir()
    (raw / "inner" / "a").write_text("a")
    (raw / "out").symlink_to(tmp_path / "secret")
    (raw / "up").symlink_to(tmp_path)
    (raw / "loop").symlink_to(raw)
    (raw / "near").symlink_to(raw / "inner" / "a")
    run = Run(make(), Mount("raw", f"file://{raw}"))
    path = run.names["raw"]
    assert sorted(p.name for p in path.iterdir()) == ["inner", "loop", "near"]
    assert (path / "near").read_text() == "a"
    assert sorted(os.listdir(path)) == ["inner", "near"]
    for escape in ("out", "up/secret", "inner/../../secret"):
        with pytest.raises(OSError, match=r"No such file|leaves the mount"):
            (path / escape).read_text()
    out = Run(make(), Mount("out", f"file://{tmp_path}/out", "rw"))
    (out.names["out"] / "x").write_text("x")
    Path(os.fspath(out.names["out"]), "link").symlink_to("/etc/passwd")
    with pytest.raises(MountError, match=r"no plain file.*nothing was written.*is kept in"):
        out.end()
    assert os.listdir(tmp_path / "out") == []


def test_what_is_kept_is_bounded_and_shared_by_content(make, tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for number in range(6):
        (raw / f"{number}.bin").write_bytes(bytes([number // 2]) * 1000)
    mount = Mount("raw", f"file://{raw}")
    run = Run(make(limit=2500), mount)
    for path in sorted(run.names["raw"].glob("*.bin")):
        path.read_bytes()
    blobs = list((tmp_path / "cache" / "cas").glob("*/*"))
    assert len(blobs) == 3, "the same bytes are kept once"
    run.end()
    assert len(list((tmp_path / "cache" / "cas").glob("*/*"))) == 3, "nothing goes that may be in use"
    old = time.time() - 7200
    for path in blobs:
        os.utime(path, (old, path.stat().st_mtime))
    run = Run(run.mounts, mount)
    (raw / "new.bin").write_bytes(b"n" * 1000)
    (run.names["raw"] / "new.bin").read_bytes()
    run.end()
    assert sum(p.stat().st_size for p in (tmp_path / "cache" / "cas").glob("*/*")) <= 2500
    run = Run(run.mounts, mount)
    assert [(run.names["raw"] / f"{n}.bin").read_bytes()[:1] for n in (0, 5)] == [b"\0", b"\2"]


def test_another_notebook_that_sees_a_newer_file_disturbs_the_run(make, tmp_path):
    raw = tmp_path / "raw"
    (raw / "a").write_text("one")
    mount = Mount("raw", f"file://{raw}")
    first, second = make(), make()
    first.install()
    run = Run(first, mount)
    text = os.fspath(run.names["raw"] / "a")
    (raw / "a").write_text("another")
    other = Run(second, mount)
    second.install()
    assert (other.names["raw"] / "a").read_text() == "another"
    assert [r.code for r in other.end()[1]] == []
    first.install()
    assert Path(text).read_text() == "another"
    assert [r.code for r in run.end()[1]] == ["changed"]


def test_a_damaged_file_is_fetched_anew(make, tmp_path):
    (tmp_path / "raw" / "a").write_text("right")
    mount = Mount("raw", f"file://{tmp_path}/raw")
    run = Run(make(), mount)
    text = os.fspath(run.names["raw"] / "a")
    os.chmod(text, 0o644)
    Path(text).write_text("wrong")
    assert [r.code for r in run.end()[1]] == ["changed"]
    run = Run(run.mounts, mount)
    assert (run.names["raw"] / "a").read_text() == "right"
    assert (tmp_path / "raw" / "a").read_text() == "right"


def test_pinned_mounts_are_not_looked_at(make, tmp_path):
    (tmp_path / "raw" / "a").write_text("a")
    run = Run(make(), Mount("raw", f"file://{tmp_path}/raw", pin="v1"))
    assert (run.names["raw"] / "a").read_text() == "a"
    assert run.end() == ([], [])


def test_a_path_is_a_value_like_any_other_path(make, tmp_path):
    run = Run(make(), Mount("raw", f"file://{tmp_path}/raw"))
    path = run.names["raw"]
    (tmp_path / "raw" / "a").write_text("a")
    assert type(Path(path)) is type(PurePath(path, "a")) is MountPath
    assert {path / "a": 1}[MountPath(path, "a")] == 1
    assert sorted([path / "b", path / "a"]) == [path / "a", path / "b"]
    assert pickle.loads(pickle.dumps(path / "a")) == path / "a"
    assert str(tmp_path).encode() in pickle.dumps(path)
    assert str(tmp_path / "cache").encode() not in pickle.dumps(path), "it means the same in other places"
    assert (path / "a").with_suffix(".csv").name == "a.csv"
    assert (path / "x" / "a").relative_to(path).parts == ("x", "a")


NAMES = st.sampled_from(["a", "b", "d/a", "d/e/c"])
WRITES = st.lists(
    st.one_of(
        st.tuples(st.just("write"), NAMES, st.sampled_from(["one", "two"])),
        st.tuples(st.just("append"), NAMES, st.just("+")),
        st.tuples(st.just("unlink"), NAMES, st.just("")),
        st.tuples(st.just("move"), NAMES, NAMES),
        st.tuples(st.just("native"), NAMES, st.just("n")),
    ),
    max_size=8,
)


def act(root, step):
    """One step on a folder, be it a mount or a plain one; what goes wrong is told by its kind."""
    how, name, more = step
    try:
        path = root / name
        if how in ("write", "append", "native"):
            path.parent.mkdir(parents=True, exist_ok=True)
            text = os.fspath(path) if how == "native" else path
            with open(text, "a" if how == "append" else "w") as file:
                file.write(more)
        elif how == "unlink":
            path.unlink()
        else:
            path.replace(root / more)
    except OSError as error:
        return type(error).__name__
    return sorted((p.relative_to(root).as_posix() if p.is_file() else "") for p in Path(root).rglob("*") if p.is_file())


@given(before=st.dictionaries(NAMES, st.just("old")), steps=WRITES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_writing_through_a_mount_is_writing_there(make, tmp_path, before, steps):
    target, twin = tmp_path / "out", tmp_path / "twin"
    for folder in (target, twin):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        for name, text in before.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    run = Run(make(), Mount("out", f"file://{target}", "rw"))
    for step in steps:
        assert act(run.names["out"], step) == act(twin, step), step
    assert {p.relative_to(target).as_posix(): p.read_text() for p in target.rglob("*") if p.is_file()} == before
    run.end()
    after = [{p.relative_to(f).as_posix(): p.read_text() for p in f.rglob("*") if p.is_file()} for f in (target, twin)]
    assert after[0] == after[1]


def test_bad_mounts_are_diagnostics(tmp_path):
    from strata_kernel.settings import load_settings

    (tmp_path / "strata.toml").write_text(
        '[mounts.raw]\nuri = "s3://"\n[mounts.far]\nuri = "ftp://x/y"\n[mounts.class]\nuri = "file:///x"\n'
        '[mounts.keys]\nuri = "s3://b/x"\noptions = { client_kwargs = { aws_secret_access_key = "abc" } }\n'
        '[mounts.good]\nuri = "s3://b/x"\noptions = { key = "${KEY}", anon = false }\n'
    )
    found, wrong = load_settings(tmp_path, {}, user_config=tmp_path / "none")
    assert [m.name for m in found.mounts] == ["raw", "far", "class", "keys", "good"]
    assert [d.code for d in wrong] == [
        "mount_uri_unsupported", "mount_uri_unsupported", "mount_name_invalid", "secret_literal",
    ]  # fmt: skip


def test_options_are_those_of_the_declared_mount_that_covers_it():
    from strata_kernel.domain.directives import parse
    from strata_kernel.domain.terms import Terms, settle, unit_of

    declared = Terms(
        mounts=(Mount("raw", "s3://b", options='{"a": 1}'), Mount("deep", "s3://b/deep", options='{"a": 2}'))
    )
    own = "# @mount x s3://b/deep/x\n# @mount y s3://b/y rw\n# @mount z s3://bb/z\n# @mount raw s3://other"
    mounts = {m.name: m for m in settle(parse(own), declared).mounts}
    assert {n: m.options for n, m in mounts.items()} == {
        "deep": '{"a": 2}', "x": '{"a": 2}', "y": '{"a": 1}', "z": "", "raw": "",
    }  # fmt: skip
    versions = {
        unit_of(Mount("raw", "s3://b", mode, pin, options)).version
        for mode in ("ro", "rw")
        for pin in (None, "1")
        for options in ("", "{}")
    }
    assert len(versions) == 8
