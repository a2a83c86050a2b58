"""Settings: the order of their sources, and that nothing a user wrote makes the loader raise."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_kernel.saving import expand, is_secret, rewrite, save
from strata_kernel.settings import MountSettings, Settings, WorkerSettings, load_settings, reference

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "user.toml").write_text('[cache]\nstore = "u"\nmax_bytes = 1\nask_above_seconds = 1\n')
    (tmp_path / "p" / "deep").mkdir(parents=True)
    (tmp_path / "p" / "strata.toml").write_text(
        'worker = "file"\nworkers = [{ name = "file" }]\n[cache]\nstore = "s"\nask_above_seconds = 2\nmin_runtime_ms = 2\n'
    )
    return tmp_path


def load(start: Path | None, environ: dict[str, str] | None = None, **more: Any) -> tuple[Settings, list[str]]:
    more.setdefault("user_config", (start or Path("/nowhere")) / "none.toml")
    settings, found = load_settings(start, environ or {}, **more)
    return settings, [d.code for d in found]


def test_later_sources_win(project: Path) -> None:
    user = project / "user.toml"
    deep = project / "p" / "deep"
    settings, found = load(
        deep,
        {
            "STRATA_CACHE_MIN_RUNTIME_MS": "3",
            "STRATA_TIMEOUT": "3",
            "STRATA_ENV_A": "environ",
            "STRATA_CACHE_REMOTE": "",
        },
        metadata={"timeout": 4, "env": {"B": "meta"}},
        flags={"timeout": 5},
        user_config=user,
    )
    assert found == []
    assert settings.cache.max_bytes == 1
    assert settings.cache.ask_above_seconds == 2
    assert settings.cache.min_runtime_ms == 3
    assert settings.timeout == 5
    assert settings.worker == "file"
    assert settings.env == {"A": "environ", "B": "meta"}
    assert settings.cache.store == str(project / "p" / "s")


def test_defaults() -> None:
    settings, found = load(None)
    assert found == []
    assert settings == Settings()
    assert settings.cache.max_bytes == 20_000_000_000
    assert settings.cache.min_runtime_ms == 5
    assert Path(settings.cache.store).is_absolute()


def test_paths_start_where_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {"STRATA_CACHE_STORE": "x"})[0].cache.store == str(tmp_path / "x")
    assert load(tmp_path, metadata={"cache": {"store": "~/x"}})[0].cache.store == str(Path.home() / "x")
    assert load(tmp_path, flags={"cache": {"remote": "s3://b/x"}})[0].cache.remote == "s3://b/x"


def test_a_strata_directory_speaks_for_itself(tmp_path: Path) -> None:
    (tmp_path / "strata.toml").write_text("timeout = 1\n")
    (tmp_path / "notebook.toml").write_text(
        'notebook_id = "x"\ntimeout = 2\n[[workers]]\nname = "gpu"\n[[mounts]]\nname = "raw"\nuri = "file:///raw"\n'
    )
    settings, found = load(tmp_path / "some.ipynb")
    assert found == []
    assert settings.timeout == 2
    assert settings.workers == (WorkerSettings(name="gpu"),)
    assert settings.mounts == (MountSettings(name="raw", uri="file:///raw"),)


def test_tables_with_names_merge() -> None:
    settings, _ = load(
        None,
        metadata={"workers": [{"name": "a", "backend": "http"}, {"name": "b"}]},
        flags={"workers": [{"name": "a", "backend": "dask"}]},
    )
    assert settings.workers == (WorkerSettings(name="b"), WorkerSettings(name="a", backend="dask"))


def test_a_table_that_cannot_be_used_leaves_the_others_alone() -> None:
    settings, found = load(None, metadata={"workers": [{"name": "a b"}, {"name": "b", "confg": {}}, {}]})
    assert [w.name for w in settings.workers] == ["b"]
    assert found == ["setting_malformed", "setting_unknown", "setting_malformed"]


def test_what_is_wrong_between_settings() -> None:
    _, found = load_settings(None, {}, {"worker": "gpu-a10", "workers": [{"name": "gpu-a100"}]})
    assert [(d.code, d.suggestion) for d in found] == [("worker_unknown", "gpu-a100")]
    assert "did you mean gpu-a100?" in found[0].message
    assert load(None, metadata={"mounts": [{"name": "a", "uri": "ftp://x"}]})[1] == ["mount_uri_unsupported"]
    assert load(None, metadata={"mounts": [{"name": "if", "uri": "file:///x"}]})[1] == ["mount_name_invalid"]
    literal = {"name": "a", "config": {"token": "x"}}
    assert load(None, metadata={"workers": [literal]})[1] == ["secret_literal"]


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"cach": {}}, "setting_unknown"),
        ({"cache": {"stor": "x"}}, "setting_unknown"),
        ({"cache": 1}, "setting_malformed"),
        ({"cache": {"max_bytes": "lots"}}, "setting_malformed"),
        ({"cache": {"max_bytes": -1}}, "setting_malformed"),
        ({"cache": {"max_bytes": 1.5}}, "setting_malformed"),
        ({"cache": {"cascade": "maybe"}}, "setting_malformed"),
        ({"timeout": 0}, "setting_malformed"),
        ({"timeout": True}, "setting_malformed"),
        ({"env": {"A": 1}}, "setting_malformed"),
        ({"workers": [1]}, "setting_malformed"),
        ({1: 2}, "setting_unknown"),
    ],
)
def test_what_is_wrong_is_said_and_left_out(metadata: dict[Any, Any], code: str) -> None:
    settings, found = load(None, metadata=metadata)
    assert found == [code]
    assert settings == Settings()


def test_a_typo_gets_a_suggestion() -> None:
    _, found = load_settings(None, {"STRATA_CACHE_STOR": "x"}, {"timeot": 3})
    assert [d.suggestion for d in found] == ["STRATA_CACHE_STORE", "timeout"]


def test_other_variables_are_not_ours() -> None:
    assert load(None, {"STRATA_WORKER_TOKEN": "x", "STRATA_HOME": "y", "STRATA_": "z", "STRATA_CACHE_": "q"})[1] == []


def test_floats_that_are_whole_are_integers() -> None:
    assert load(None, metadata={"cache": {"max_bytes": 2e9}})[0].cache.max_bytes == 2_000_000_000


@pytest.mark.parametrize("content", [b"[cache", b"\xff\xfe", b"a = 1\na = 2"])
def test_unreadable_files_are_findings(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "strata.toml").write_bytes(content)
    assert load(tmp_path)[1] == ["settings_unreadable"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["cache", "ai", "env", "workers", "connections", "timeout", "worker", "x"])
NAMES = st.sampled_from(["CACHE_STORE", "CACHE_MAX_BYTES", "AI_MODEL", "ENV_A", "TIMEOUT", "WORKER", "CACHE_X", "X"])


@given(st.dictionaries(KEYS, PLAIN), st.dictionaries(NAMES.map("STRATA_{}".format), st.text(max_size=9)))
def test_nothing_makes_it_raise(metadata: dict[str, Any], environ: dict[str, str]) -> None:
    load_settings(None, environ, metadata)


def test_rewriting_keeps_what_it_does_not_know() -> None:
    text = '# mine\nzebra = 1 # why\n\n[cache]\n# place\nstore = "a"\nodd = true\n[env]\nAPI_TOKEN = "s"\nPLAIN = "p"\n'
    result = rewrite(text, {"cache": {"store": "b", "odd": None}, "ai": {"model": "m"}, "timeout": 3})
    assert "# mine\nzebra = 1 # why" in result
    assert '# place\nstore = "b"' in result
    assert "odd" not in result
    assert 'API_TOKEN = ""' in result
    assert 'PLAIN = "p"' in result
    assert 'model = "m"' in result
    assert rewrite("a = 1 # x\n", {}) == "a = 1 # x\n"


REMARKS = """# one
[connections.a]
path = "a"

# two
[connections.b]
driver = "postgresql"
[connections.b.auth]
user = "${B}"

# the frames
[sql]
frame = "arrow"
"""


def test_remarks_on_a_table_stay_with_it() -> None:
    more = {"a": {"port": 1}, "b": {"auth": {"password": "${P}"}}}
    assert rewrite(REMARKS, {"connections": more}) == REMARKS.replace('path = "a"\n', 'path = "a"\nport = 1\n').replace(
        'user = "${B}"\n', 'user = "${B}"\npassword = "${P}"\n'
    )
    gone = rewrite(REMARKS, {"connections": {"a": None}})
    assert gone == REMARKS.replace('[connections.a]\npath = "a"\n\n', "")
    assert rewrite(gone, {"connections": {"b": None}}).endswith('# the frames\n[sql]\nframe = "arrow"\n')


HUB = """# my workers
worker = "gpu" # the default

[[workers]] # the big one
name = "gpu"
backend = "http"
odd = 1 # mine
[workers.config]
url = "http://127.0.0.1:9000"
token = "s3cret"
token_env = "GPU_TOKEN"

[[workers]]
name = "old"

[[mounts]]
name = "raw"
uri = "s3://bucket/raw"
options = { key = "AKIA", secret = "${RAW_SECRET}", client_kwargs = { endpoint_url = "http://x", api_token = "t" } }

[connections.db.auth]
user = "${DB_USER}"
password = "pw"
"""


def test_secrets_never_reach_the_file() -> None:
    result = rewrite(HUB, {})
    for secret in ("s3cret", "AKIA", '"t"', '"pw"'):
        assert secret not in result
    for kept in ('token_env = "GPU_TOKEN"', "${RAW_SECRET}", "${DB_USER}", "http://127.0.0.1:9000", "odd = 1 # mine"):
        assert kept in result


def test_members_of_a_list_are_changed_in_place() -> None:
    wanted = [{"name": "gpu", "config": {"url": "http://127.0.0.1:9001"}}, {"name": "new", "backend": "dask"}]
    result = rewrite(HUB, {"workers": wanted})
    assert "# the big one" in result
    assert "odd = 1 # mine" in result
    assert 'name = "old"' not in result
    found = tomllib.loads(result)
    assert [w["name"] for w in found["workers"]] == ["gpu", "new"]
    assert found["workers"][0]["config"]["url"] == "http://127.0.0.1:9001"
    assert found["workers"][0]["config"]["token_env"] == "GPU_TOKEN"
    assert found["mounts"][0]["uri"] == "s3://bucket/raw"
    assert "workers" not in tomllib.loads(rewrite(HUB, {"workers": []}))
    assert tomllib.loads(rewrite("", {"mounts": [{"name": "a", "uri": "file:///a"}]}))["mounts"][0]["name"] == "a"


WORDS = st.text("abcxyz", min_size=1, max_size=4)
SCALARS = st.integers(-9, 9) | st.booleans() | WORDS
MEMBERS = st.lists(
    st.builds(lambda n, c, o: {"name": n, "config": c, "odd_" + n: o}, WORDS, st.dictionaries(WORDS, SCALARS), SCALARS),
    max_size=3,
    unique_by=lambda m: m["name"],
)


@given(MEMBERS, MEMBERS, st.dictionaries(WORDS, SCALARS, max_size=3))
def test_a_round_trip_says_what_was_asked_and_keeps_the_rest(old: Any, new: Any, others: dict[str, Any]) -> None:
    text = rewrite("# head\n", {"zebra": others, "workers": old})
    result = rewrite(text, {"workers": new})
    found = tomllib.loads(result)
    assert result.startswith("# head\n")
    assert found.get("zebra", {}) == others
    assert {w["name"] for w in found.get("workers", [])} == {w["name"] for w in new}
    before = {w["name"]: w for w in old}
    for member in found.get("workers", []):
        mine = next(w for w in new if w["name"] == member["name"])
        assert member.get("config", {}).items() >= mine["config"].items()
        assert member.keys() >= before.get(member["name"], {}).keys() - {"config"}
    assert rewrite(result, {"workers": new}) == result


def test_saving_is_one_step_and_only_when_something_changes(tmp_path: Path) -> None:
    path = tmp_path / "strata.toml"
    assert save(path, {"worker": "local"})
    inode = path.stat().st_ino
    assert not save(path, {"worker": "local"})
    assert path.stat().st_ino == inode
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    assert save(link, {"timeout": 3})
    assert link.is_symlink()
    assert tomllib.loads(path.read_text()) == {"worker": "local", "timeout": 3}
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["link.toml", "strata.toml"]


def test_options_take_variables() -> None:
    assert expand({"a": ["${X}/b"], "n": 1}, {"X": "x"}) == {"a": ["x/b"], "n": 1}
    with pytest.raises(KeyError):
        expand("${NONE}", {})


def test_secrets_are_told_by_name() -> None:
    assert is_secret("my_api_key")
    assert is_secret("GITHUB_TOKEN")
    assert not is_secret("HOME")


def test_the_readme_has_the_reference() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    match = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", readme, re.DOTALL)
    assert match, "README.md has lost its settings table"
    table = reference()
    assert match[1].strip() == table.strip(), f"put this between the marks in README.md:\n\n{table}"


def test_importing_is_light() -> None:
    code = (
        "import sys, strata_kernel.settings; print(sorted({'tomlkit', 'platformdirs', 'difflib'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
