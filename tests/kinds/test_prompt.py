"""Prompt cells in a real kernel, with the real client against a real HTTP server."""

import json
import os
import time

import pytest

from strata_kernel.cli.__main__ import main
from tests.kinds.models import endpoint


@pytest.fixture
def model():
    with endpoint() as (address, script):
        script.address = address
        yield script


@pytest.fixture
def kernel(frontend, model, tmp_path):
    (tmp_path / "strata.toml").write_text(f'[ai]\nmodel = "m-1"\nbase_url = "{model.address}"\nprice_in = 1000\n')
    return frontend(OPENAI_API_KEY="sk-very-secret")


def play(kernel, **cells):
    kernel.document(**cells)
    return {name: kernel.run(source, name) for name, source in cells.items()}


def sent(model):
    return model.requests[-1]["messages"][-1]["content"]


def test_an_answer_is_asked_for_once(kernel, model, tmp_path):
    model.answers = ["Paris, of course."]
    cells = {
        "a": "country = 'France'",
        "b": "%%prompt capital\n# @temperature 0.5\n# @system Be brief.\nWhat is the capital of {{ country }}?",
        "c": "print(capital)",
    }
    runs = play(kernel, **cells)
    assert runs["b"].error is None, runs["b"].content
    assert runs["c"].text() == "Paris, of course.\n"
    (request,) = model.requests
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("m-1", 0.5, 4096)
    assert request["authorization"] == "Bearer sk-very-secret"
    assert any("100 tokens in, 10 out, 0.1" in r["text"] for r in runs["b"].decision["reasons"])
    shown = [content["data"].get("text/plain") for kind, content in runs["b"].outputs if "data" in content]
    assert shown[-1] == "Paris, of course."
    assert [r.status for r in play(kernel, **cells).values()] == ["hit"] * 3
    kernel.restart()
    assert [r.status for r in play(kernel, **cells).values()] == ["hit"] * 3
    assert len(model.requests) == 1
    # A prompt that comes out the same is the same question.
    runs = play(
        kernel,
        **{
            **cells,
            "a": "place = 'France'",
            "b": cells["b"].replace("country", "place").replace("%%prompt capital", "%%prompt other"),
            "c": "print(other)",
        },
    )
    assert runs["c"].text() == "Paris, of course.\n"
    assert len(model.requests) == 1
    play(kernel, **{**cells, "a": "country = 'Spain'"})
    assert len(model.requests) == 2
    kernel.run(cells["b"], "b", strata={"force": True})
    assert len(model.requests) == 3
    kernel.stop()
    for path in (tmp_path / "store").rglob("*"):
        assert not path.is_file() or b"very-secret" not in path.read_bytes()
    kernel.start()


@pytest.mark.parametrize(
    "directive",
    [
        "@model m-2",
        "@temperature 1",
        "@max_tokens 7",
        "@system No.",
        "@output json",
        '@output_schema {"type": "integer"}',
    ],
)
def test_what_changes_the_answer_is_in_the_key(kernel, model, directive):
    model.answers = ["1"]
    play(kernel, a="%%prompt x\nOne?")
    play(kernel, a=f"%%prompt x\n# {directive}\nOne?")
    assert len(model.requests) == 2


SCHEMA = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'


def test_answers_fit_their_schema_or_are_asked_for_again(kernel, model):
    model.answers = ['{"n": "one"}', '```json\n{"n": 1}\n```']
    runs = play(kernel, a=f"%%prompt x\n# @output_schema {SCHEMA}\nCount.", b="print(x)")
    assert runs["b"].text() == "{'n': 1}\n"
    first, second = model.requests
    assert first["response_format"]["json_schema"]["strict"] is True
    assert first["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert "$.n: 'one' is not of type 'integer'" in second["messages"][-1]["content"]
    model.answers = ['{"n": "never"}']
    run = kernel.run(f"%%prompt y\n# @output_schema {SCHEMA}\n# @validate_retries 2\nAgain.", "c")
    assert run.error == "CellError"
    assert "after 2 attempt(s)" in run.content["evalue"]
    assert "$.n" in run.content["evalue"]
    assert len(model.requests) == 4


def test_an_endpoint_that_knows_no_schemas_is_told_in_words(kernel, model):
    model.refuses, model.answers = ("response_format", "stream_options"), ['{"n": 3}']
    runs = play(kernel, a=f"%%prompt x\n# @output_schema {SCHEMA}\nCount.", b="print(x)")
    assert runs["b"].text() == "{'n': 3}\n"
    assert "response_format" not in model.requests[-1]
    assert any("JSON Schema" in m["content"] for m in model.requests[-1]["messages"])


def test_a_pydantic_model_of_the_notebook_gives_an_instance(kernel, model):
    model.answers = ['{"name": "Ada", "age": 36}']
    top = "from pydantic import BaseModel\nclass Person(BaseModel):\n    name: str\n    age: int"
    cells = {"a": top, "b": "%%prompt who\n# @output_schema Person\nWho?", "c": "print(who.age, type(who) is Person)"}
    assert play(kernel, **cells)["c"].text() == "36 True\n"
    assert [r.status for r in play(kernel, **cells).values()] == ["hit"] * 3
    kernel.restart()
    play(kernel, **{**cells, "c": "print(who.name, type(who) is Person)"})
    assert kernel.value("who.name, type(who) is Person") == "('Ada', True)"
    model.answers = ['{"name": "Ada", "age": 36, "born": 1815}']
    play(kernel, **{**cells, "a": top + "\n    born: int"})
    assert len(model.requests) == 2


def test_values_are_shown_as_text_within_bounds(kernel, model):
    cells = {
        "a": "import pandas as pd, numpy as np\ndf = pd.DataFrame({'a': range(80), 'b': ['x|y'] * 80})\narr = np.zeros((3, 4))\nd = {'k': [1, 2]}\nlong = 'z' * 9000",
        "b": "%%prompt x\n{{ df.head(2) }}\n{{ df }}\n{{ arr }}\n{{ d }}\n{{ d.k[1] }}\n{{ df.shape }}\n{{ long }}\n{% for i in d['k'] %}<{{ i }}>{% endfor %}",
    }
    run = play(kernel, **cells)["b"]
    assert run.error is None, run.content
    text = sent(model)
    assert text.startswith("| a | b |\n| --- | --- |\n| 0 | x\\|y |\n| 1 | x\\|y |\n| a | b |")
    for part in (
        "(30 more rows)",
        "array of shape (3, 4), float64: 0.0",
        '"k": [',
        "\n2\n",
        "(cut: 1,000 more characters)",
        "<1><2>",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("{{ nothing }}", "nothing"),
        ("{{ d.nothing }}", "nothing"),
        ("{{ f() }}", "calls are only those of frames"),
        ("{{ d.pop('k') }}", "calls are only those of frames"),
        ("{{ d.__class__ }}", "private"),
        ("{{ 1 + 1 }}", "add is not part"),
        ("{% set x = 1 %}", "assign is not part"),
        ("{{ d.head() }}", "not"),
        ("{{ df.sample(2) }}", "seed"),
        ("{{ d | attr('pop') }}", "no filter"),
        ("{{ unclosed", "unexpected"),
        ("{{ '' }}", "empty"),
    ],
)
def test_what_the_grammar_has_not_is_an_error_and_is_not_sent(model, template, word):
    import pandas

    from strata_kernel.cells.template import read
    from strata_kernel.errors import CellError
    from strata_kernel.executors.render import render

    values = {"d": {"k": 1}, "f": lambda: 1 / 0, "df": pandas.DataFrame({"a": [1, 2]})}
    found = read(template)
    if found.error:
        assert word in found.error
        return
    with pytest.raises(CellError, match=word):
        render(template, values)


def test_a_wrong_template_is_told_in_the_cell(kernel, model):
    run = play(kernel, a="%%prompt x\nfirst\n{{ f(1) }}")["a"]
    assert run.error == "CellError"
    assert "line 3" in run.content["evalue"]
    assert not model.requests


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ([(401, "bad key")], "OPENAI_API_KEY"),
        ([(404, "no such model")], "m-1"),
        ([(429, "slow down")], "too often"),
        ([(500, "oops")], "500"),
    ],
)
def test_errors_of_the_endpoint_name_cause_and_cure(kernel, model, answers, word):
    model.answers = answers
    run = kernel.run("%%prompt x\nHi", "a")
    assert run.error == "CellError"
    assert word in run.content["evalue"]
    assert "very-secret" not in json.dumps(run.content)


def test_errors_that_pass_are_tried_again(kernel, model):
    model.answers = [(429, "slow down"), (503, "busy"), "done"]
    assert kernel.run("%%prompt x\nHi", "a").error is None
    assert kernel.value("x") == "'done'"


def test_an_answer_streams_and_an_interrupt_ends_it(kernel, model):
    model.answers = [("slow", "word " * 200)]
    kernel.run("1", "z")
    message = kernel.send("%%prompt x\nHi", "a")
    seen = []
    while len(seen) < 3:
        got = kernel.client.get_iopub_msg(timeout=60)
        if got["msg_type"] in ("display_data", "update_display_data"):
            seen.append(got["content"]["data"]["text/plain"])
    assert len(seen[0]) < len(seen[1]) < len(seen[2]) < 200
    start = time.monotonic()
    kernel.manager.interrupt_kernel()
    assert kernel.finish(message).error == "KeyboardInterrupt"
    assert time.monotonic() - start < 20


def test_frontends_are_told_what_an_answer_took(kernel, model):
    model.answers = ["Yes."]
    play(kernel, a="%%prompt said\nReally?")
    told = kernel.hear(lambda d: d.get("id") == "a" and d.get("state") == "frozen")
    assert {"network", "usage"} == {r["code"] for r in told["reasons"]}
    assert "100 tokens in, 10 out, 0.1" in [r["text"] for r in told["reasons"]]


def test_a_limit_on_costs(frontend, model, tmp_path):
    toml = f'[ai]\nmodel = "m"\nbase_url = "{model.address}"\nprice_in = 10000\nmax_cost = 1.5\n'
    (tmp_path / "strata.toml").write_text(toml)
    kernel = frontend()
    assert [kernel.run(f"%%prompt x\n{n}", str(n)).error for n in range(3)] == [None, None, "CellError"]


def test_headless_a_warm_notebook_starts_no_kernel_and_asks_no_model(headless, model, tmp_path):
    (tmp_path / "strata.toml").write_text(f'[ai]\nmodel = "m"\nbase_url = "{model.address}"\n')
    cells = {"a": "n = 3", "b": "%%prompt x\nSay {{ n }}", "c": "print(x)"}
    assert headless.statuses(**cells) == {"a": "ok", "b": "ok", "c": "ok"}
    headless.pool.close()
    assert headless.statuses() == {"a": "cached", "b": "cached", "c": "cached"}
    assert not headless.started
    assert len(model.requests) == 1


def test_headless_a_run_ends_where_its_costs_do(headless, model, tmp_path, capsys):
    (tmp_path / "strata.toml").write_text(f'[ai]\nmodel = "m"\nbase_url = "{model.address}"\nprice_in = 10000\n')
    headless.write(**{f"c{n}": f"%%prompt x\n{n}" for n in range(4)})
    before = os.environ.get("STRATA_AI_MAX_COST")
    for spent, statuses in ((1.5, ["ok", "ok", "error", "skipped"]), (1.5, ["cached", "cached", "ok", "ok"])):
        main(["run", str(headless.path), "--max-cost", str(spent), "--format", "json"])
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [t["status"] for t in told if t["type"] == "cell"] == statuses
    assert "the limit of 1.5 for models is spent" not in str(told)
    assert os.environ.get("STRATA_AI_MAX_COST") == before
    assert len(model.requests) == 4
