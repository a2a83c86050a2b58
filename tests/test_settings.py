"""Settings: the order of their sources, and that nothing a user wrote makes the loader raise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_kernel.settings import Settings, is_secret, load_settings, reference, rewrite

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "user.toml").write_text('[cache]\nstore = "u"\nmax_bytes = 1\nask_above_seconds = 1\n')
    (tmp_path / "p" / "deep").mkdir(parents=True)
    (tmp_path / "p" / "strata.toml").write_text(
        'worker = "file"\n[cache]\nstore = "s"\nask_above_seconds = 2\nmin_runtime_ms = 2\n'
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
    assert settings.workers == ({"name": "gpu"},)


def test_tables_with_names_merge() -> None:
    settings, _ = load(
        None,
        metadata={"workers": [{"name": "a", "backend": "http"}, {"name": "b"}]},
        flags={"workers": [{"name": "a", "backend": "dask"}]},
    )
    assert settings.workers == ({"name": "b"}, {"name": "a", "backend": "dask"})


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
