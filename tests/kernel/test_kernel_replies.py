"""What replies, errors, prompts, completions and `%strata` say."""

import re


def test_metadata_and_errors(frontend):
    front = frontend()
    new = front.run("x = 1", "a")
    assert (new.status, new.codes) == ("ran", ["new"])
    assert new.decision["key"]
    assert new.decision["seconds"] > 0
    hit = front.run("x = 1", "a")
    assert hit.status == "hit"
    assert hit.decision["savedSeconds"] == new.decision["seconds"]
    assert front.run("# @cache off\nx", "b").status == "bypass"
    assert front.run("# @nocache\nx", "b").status == "bypass"
    edited = front.run("x = 2", "a")
    assert edited.status == "ran"
    below = front.run("# @nocache\nx", "b")
    assert below.text() == "2\n"
    failed = front.run("print('so far')\nraise ValueError('boom')", "c")
    assert (failed.status, failed.error) == ("ran", "ValueError")
    assert failed.decision["seconds"] > 0
    assert failed.content["execution_count"] == below.content["execution_count"] + 1
    assert front.run("broken(", "d").error in ("SyntaxError", "_IncompleteInputError")
    # a cell above fails on behalf of one below
    front.document(p="# @name the-source\nq = 1\nq = q / 0", r="q + 1")
    got = front.run("q + 1", "r")
    assert got.error == "CellFailed"
    for part in ("'the-source' (p)", "line 3", "ZeroDivisionError: division by zero", "correct it"):
        assert part in got.content["evalue"]
    assert any(kind == "error" for kind, _ in got.outputs)
    assert got.codes == ["blocked"]
    front.document(p="q = 1", r="q + 1")
    assert front.run("q + 1", "r").text() == "2\n"


def test_why_and_status(frontend):
    front = frontend()
    cells = {"one": "a = 1", "two": "# @name doubled\nb = a * 2", "three": "b"}
    front.document(**cells)
    front.run(cells["three"], "three")
    assert "never run with this code" in front.run("%strata why doubled", "w").text()
    assert "cell three" in front.run("%strata why three", "w").text()
    assert "doubled" in front.run("%strata why b", "w").text()
    assert "no cell or name" in front.run("%strata why nothing", "w").text()
    cells["one"] = "a = 3"
    front.document(**cells)
    assert front.run("b", "three").text() == "6\n"
    text = front.run("%strata why two", "w").text()
    assert "`a` changed" in text
    table = front.run("%strata status", "w").text()
    assert "doubled" in table
    assert "of " in table.splitlines()[-1]
    assert "why [cell|name]" in front.run("%strata", "w").text()
    # nothing of this changed anything
    assert front.run("b", "three").status == "hit"
    frozen = "import time\nt = time.time_ns()"
    front.document(f=frozen, g="t")
    first = front.run("t", "g").text()
    assert front.run(frozen, "f").status == "hit"
    front.run("%strata refresh f", "w")
    assert front.run(frozen, "f").status == "ran"
    assert front.run("t", "g").text() != first


def test_ask(frontend):
    front = frontend(STRATA_CACHE_CASCADE="ask")
    cells = {"a": "x = 1", "b": "y = x + 1", "c": "y"}
    front.document(**cells)

    def answer(word):
        message = front.send(cells["c"], "c", stdin=True)
        asked = front.client.get_stdin_msg(timeout=60)
        front.client.input(word)
        return asked["content"]["prompt"], front.finish(message)

    prompt, got = answer("n")
    assert prompt == "run 2 cells above first? [Y/n] "
    assert got.error == "Declined"
    assert "not run" in got.content["evalue"]
    assert front.value("y") == "NameError"
    prompt, got = answer("")
    assert got.text() == "2\n"
    # a client that takes no input is not asked
    cells["a"] = "x = 5"
    front.document(**cells)
    assert front.run(cells["c"], "c").text() == "6\n"


def test_directives_are_completed_with_the_names_of_the_notebook(frontend):
    front = frontend()
    front.run("# @name load\nx = 1", "a")
    code = "# @after lo\ny = x"
    found = front.request("complete_request", code=code, cursor_pos=11)
    assert (found["matches"], found["cursor_start"], found["cursor_end"]) == (["load"], 9, 11)
    assert front.request("complete_request", code="# @wor", cursor_pos=6)["matches"] == ["worker"]


def test_restored_names_are_seen(frontend):
    front = frontend()
    cells = {
        "a": "my_data = {'k': [1, 2]}",
        "b": "import math as my_math",
        "c": "def my_func(a, b=2):\n    'Adds.'\n    return a + b",
    }
    for name, source in cells.items():
        front.run(source, name)
    front.restart()
    for name, source in cells.items():
        assert front.run(source, name).status == "hit"
    found = front.request("complete_request", code="my_", cursor_pos=3)
    assert {"my_data", "my_math", "my_func"} <= set(found["matches"])
    assert (found["cursor_start"], found["cursor_end"]) == (0, 3)
    assert "my_data" in front.request("complete_request", code="x = 1\nprint(my_dat", cursor_pos=18)["matches"]
    keys = front.request("complete_request", code="my_data.ke", cursor_pos=10)["matches"]
    assert any(m.endswith("keys") for m in keys)
    assert (
        "Adds." in front.request("inspect_request", code="my_func", cursor_pos=3, detail_level=0)["data"]["text/plain"]
    )
    assert front.value("my_data['k']") == "[1, 2]"
    got = front.run("1", "d", expressions={"e": "my_func(1)"})
    assert got.content["user_expressions"]["e"]["data"]["text/plain"] == "3"
    front.restart()
    for name, source in cells.items():
        front.run(source, name)
    assert "my_data" in front.run("%who", "w").text()
    front.restart()
    for name, source in cells.items():
        front.run(source, name)
    assert "my_func" in front.run("[n for n in dir() if n.startswith('my')]", "w").text()
    assert "my_data" in front.run("%whos", "w").text()
    page = front.run("my_func??", "w").content["payload"][0]["data"]["text/plain"]
    assert "return a + b" in re.sub(r"\x1b\[[0-9;]*m", "", page)
    history = front.request("history_request", hist_access_type="tail", n=3, output=False, raw=True, session=0)
    assert history["history"][-1][2] == "my_func??"
    assert front.request("is_complete_request", code="for i in x:")["status"] == "incomplete"


def test_a_fault_of_ours_stops_no_cell_but_sends_none_elsewhere(frontend):
    front = frontend()
    assert front.run("get_ipython().kernel.bridge.pipeline.run = None", "a").error is None
    plain = front.run("print(6 * 7)", "b")
    assert (plain.status, plain.codes, plain.error) == ("bypass", ["bug"], None)
    assert "42\n" in plain.text()
    away = front.run("# @worker gpu\nprint('here')", "c")
    assert away.error == "TypeError"
    assert "not sent to its worker" in away.content["evalue"]
    assert "here" not in away.text()
    assert "there" in front.run("# @worker local\nprint('there')", "d").text()
