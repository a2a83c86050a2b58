"""Directives are parsed with their places, and no text makes the parser raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_kernel.domain.directives import (
    NAMES,
    CachePolicy,
    Declared,
    Loop,
    Mount,
    Sql,
    TableInput,
    duration,
    parse,
)


def codes(source: str) -> list[str]:
    return [d.code for d in parse(source).diagnostics]


def test_reads_the_directives_that_matter_now() -> None:
    found = parse(
        "# Load the data\n# @name load\n#@cache ttl=30m\n\n"
        "# @deps file:data.csv env:HOME dist:numpy\n# @after first, second\nx = 1\n# @nocache\n"
    )
    assert found.name == "load"
    assert found.cache == CachePolicy("ttl", 1800)
    assert found.deps == (Declared("file", "data.csv"), Declared("env", "HOME"), Declared("dist", "numpy"))
    assert found.after == ("first", "second")
    assert found.diagnostics == ()


@pytest.mark.parametrize("policy", ["off", "frozen", "forever", "session", "snapshot"])
def test_cache_policies(policy: str) -> None:
    assert parse(f"# @cache {policy}").cache == CachePolicy(policy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("1h", 3600), ("2d", 172800), ("90", 90), ("1.5h", 5400)]
    + [(bad, None) for bad in ("", "0", "0s", "-1s", "m", "1 h", "1y", "1e3", "9" * 5000)],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


def test_nocache_is_cache_off() -> None:
    assert parse("# @nocache").cache == CachePolicy("off")
    assert parse("# @nocache off").cache is None
    assert parse("# @nocache since it prints").cache == CachePolicy("off")
    assert codes("# @nocache since it prints") == ["directive_malformed"]


def test_the_rest_of_the_grammar() -> None:
    found = parse(
        "# @worker gpu-1\n# @timeout 1.5\n# @env A=1\n# @env B=x=y\n# @mount raw s3://bucket/raw\n"
        "# @mount out file:///tmp/out rw\n# @loop max_iter=3 carry=state\n# @loop start_from=seed@iter=2\n"
        "# @loop_until state > 3\n# @variant model big\n# @per_variant model\n# @table sales file:///lake#shop.sales snapshot=7\n"
        "# @model small\n# @temperature 0.5\n# @max_tokens 10\n# @system a\n# @system a\n# @output json\n"
        '# @output_schema {"type": "object"}\n# @validate_retries 2\n# @sql connection=db write=true\n'
    )
    assert found.diagnostics == ()
    assert (found.worker, found.timeout, found.env) == ("gpu-1", 1.5, {"A": "1", "B": "x=y"})
    assert found.mounts == (Mount("raw", "s3://bucket/raw"), Mount("out", "file:///tmp/out", "rw"))
    assert found.loop == Loop(3, ("state",), ("seed", 2))
    assert found.loop_until == "state > 3"
    assert (found.variant, found.per_variant) == (("model", "big"), "model")
    assert found.tables == (TableInput("sales", "file:///lake", "shop.sales", 7),)
    assert (found.model, found.temperature, found.max_tokens) == ("small", 0.5, 10)
    assert (found.system, found.output, found.validate_retries) == (("a", "a"), "json", 2)
    assert found.sql == Sql("db", write=True)
    assert {item.name for item in found.items} | {"name", "cache", "nocache", "deps", "after"} == set(NAMES)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("# @chache off", "directive_unknown"),
        ("# @cache of", "directive_malformed"),
        ("# @cache", "directive_malformed"),
        ("# @cache=off", "directive_malformed"),
        ("# @cache ttl=soon", "directive_malformed"),
        ("# @cache fingerprint", "directive_malformed"),
        ("# @name", "directive_malformed"),
        ("%%sql db\n# @name not a name", "directive_malformed"),
        ("# @worker two words", "directive_malformed"),
        ("# @timeout soon", "timeout_not_numeric"),
        ("# @timeout nan", "timeout_not_numeric"),
        ("# @timeout", "timeout_not_numeric"),
        ("# @timeout 0", "timeout_out_of_range"),
        ("# @timeout 86401", "timeout_out_of_range"),
        ("# @timeout inf", "timeout_out_of_range"),
        ("# @env NOVALUE", "env_malformed"),
        ("# @env =1", "env_malformed"),
        ("# @mount data", "directive_malformed"),
        ("# @mount 1x s3://b", "mount_name_invalid"),
        ("# @mount class s3://b", "mount_name_invalid"),
        ("# @mount data ftp://b", "mount_uri_unsupported"),
        ("# @mount data ./here", "mount_uri_unsupported"),
        ("# @mount data s3://b wr", "directive_malformed"),
        ("# @deps files:x", "directive_malformed"),
        ("# @deps", "directive_malformed"),
        ("# @after", "directive_malformed"),
        ("# @loop carry=x", "loop_max_iter_invalid"),
        ("# @loop max_iter=0 carry=x", "loop_max_iter_invalid"),
        ("# @loop max_iter=2", "loop_missing_carry"),
        ("# @loop max_iter=2 carry=x start_from=y", "directive_malformed"),
        ("# @loop max_iter=2 carry=x steps=3", "directive_malformed"),
        ("# @loop_until x > 1", "directive_malformed"),
        ("# @variant one", "directive_malformed"),
        ("# @table a b", "directive_malformed"),
        ("# @temperature hot", "directive_malformed"),
        ("# @max_tokens -1", "directive_malformed"),
        ("# @output_schema [1]", "directive_malformed"),
        ("# @sql write=true", "directive_malformed"),
        ("# @name a\n# @name b", "directive_repeated"),
    ],
)
def test_what_is_wrong_is_said(source: str, code: str) -> None:
    assert codes(source) == [code]


def test_a_suggestion_names_what_was_meant() -> None:
    (diagnostic,) = parse("\n  # @chache off").diagnostics
    assert diagnostic.suggestion == "@cache"
    assert (diagnostic.line, diagnostic.column, diagnostic.end) == (2, 4, 15)


def test_only_the_head_counts() -> None:
    assert parse("x = 1\n# @name late").items == ()
    assert parse("'''\n# @name inside\n'''").items == ()
    assert parse("%%time\n# @name timed").name == "timed"
    assert parse("%%time\n%%capture\n# @name timed").name == "timed"
    assert parse("# plain\n%%time\n# @name late").items == ()
    assert parse('# @app.route("/")\n# @cache()\n# @ x\n# a@b').items == ()
    assert parse("%%sql db\n# @cache fingerprint\nselect 1").cache == CachePolicy("fingerprint")


def test_line_ends_of_other_systems() -> None:
    assert parse("# @name a\r\n# @after b\rx").items[1].line == 2


HEADS = st.lists(
    st.builds(
        "{}{}{} {}".format,
        st.sampled_from(["# @", "#@", "%%", "  # @", "@"]),
        st.sampled_from([*NAMES, "x"]),
        st.sampled_from(["", " ", "=", "\t", ":"]),
        st.text(max_size=30),
    ),
    max_size=5,
).map("\n".join)


@given(st.one_of(st.text(), HEADS))
def test_never_raises_and_every_place_points_at_its_text(source: str) -> None:
    found = parse(source)
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for item in found.items:
        line = lines[item.line - 1]
        assert line[item.column] == "@"
        assert line[item.column + 1 :].lower().startswith(item.name)
        assert line[item.value_column : item.end] == item.value
    for diagnostic in found.diagnostics:
        assert 0 <= diagnostic.column <= diagnostic.end <= len(lines[diagnostic.line - 1])


@given(HEADS)
def test_parsing_is_a_function_of_the_head(source: str) -> None:
    assert parse(source) == parse(source)
    assert parse(source + "\nx = 1\n# @name later").items == parse(source + "\nx = 1").items


@pytest.mark.parametrize(
    ("source", "suggestion"),
    [
        ("# @timeout 30s", "@timeout 30"),
        ("# @timeout soon", "@timeout 300"),
        ("# @timeout 90000", "@timeout 86400"),
        ("# @env MODE: fast", "@env MODE=fast"),
        ("# @env 1X", "@env _1X=value"),
        ("# @mount 1x s3://b rw", "@mount _1x s3://b rw"),
        ("# @mount class s3://b", "@mount class_ s3://b"),
        ("# @mount data azuer://b/c", "@mount data azure://b/c"),
        ("# @mount data ./here", "@mount data file:///absolute/here"),
        ("# @loop max_iter=2", "@loop max_iter=2 carry=name"),
        ("# @loop carry=x", "@loop max_iter=10 carry=x"),
        ("# @wroker gpu", "@worker"),
    ],
)
def test_findings_suggest_a_cure(source: str, suggestion: str) -> None:
    found = parse(source).diagnostics[0]
    assert found.suggestion == suggestion
    assert found.line == 1
    assert source[found.column] == "@"
    assert found.end == len(source)
