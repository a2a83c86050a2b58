"""What the kernel shows of values that cells left, and how cells are run anew and forgotten on request."""

import pytest

CELLS = {
    "a": "import pandas as pd\ndf = pd.DataFrame({'x': range(120), 'y': [None, *'ab'] * 40})",
    "b": "df = df.rename(columns={'x': 'z'})\nbig = [2**70, float('nan')]\nlock = __import__('threading').Lock()",
    "c": "text = 'one'\nfrom matplotlib.figure import Figure\nfig = Figure(figsize=(1, 1))\nax = fig.add_subplot()",
    "d": "class Show:\n    def __repr__(self):\n        return 1 / 0\nbad = Show()",
}


@pytest.fixture
def front(frontend):
    front = frontend()
    front.document(**CELLS)
    for cell, source in CELLS.items():
        assert front.run(source, cell).error is None
    return front


def ask(front, cell, name, **more):
    front.tell(type="request-preview", id="p", cell=cell, name=name, **more)
    return front.hear("preview")


def test_values_as_each_cell_left_them(front):
    table = ask(front, "a", "df", offset=100, limit=50)["table"]
    assert (table["columns"], table["offset"], table["total"]) == (["", "x", "y"], 100, 120)
    assert table["types"][:2] == ["int64", "int64"]
    assert table["rows"][0] == [100, 100, "a"]
    assert len(table["rows"]) == 20
    assert ask(front, "b", "df", limit=1)["table"]["columns"] == ["", "z", "y"]
    assert ask(front, "c", "text")["text"] == "'one'"
    assert ask(front, "c", "fig")["image"].startswith("iVBOR")
    assert str(2**70) in ask(front, "b", "big")["text"]
    assert ask(front, "c", "nothing")["reason"].startswith("nothing is kept")
    assert ask(front, "gone", "x")["reason"].startswith("nothing is kept")
    # Nothing of it reached the notebook.
    assert front.value("list(df.columns)") == "['z', 'y']"


def test_values_after_a_restart_come_from_the_store(front):
    front.quiet()
    front.restart()
    front.document(**CELLS)
    assert ask(front, "a", "df", limit=2)["table"]["rows"] == [[0, 0, None], [1, 1, "a"]]
    assert "recomputed when needed" in ask(front, "b", "lock")["reason"]
    assert front.value("'df' in globals()") == "False"


def test_what_each_pass_of_a_loop_left(frontend):
    front = frontend()
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    cells = {
        "a": "x = 0",
        "b": "# @loop max_iter=4 carry=x\nfrom IPython.display import Image, display\nx += 10\n"
        f"if x == 20: display(Image(__import__('base64').b64decode('{dot}')))",
    }
    front.document(**cells)
    assert ask(front, "b", "x", place=0)["passes"] == 0
    for cell, source in cells.items():
        assert front.run(source, cell).error is None
    told = [ask(front, "b", "x", place=place) for place in (0, 1, 3, 99, -1)]
    assert [t["text"] for t in told] == ["10", "20", "40", "40", "10"]
    assert {t["passes"] for t in told} == {4}
    assert ["shown" in t for t in told] == [False, True, False, False, False]
    assert told[1]["shown"].strip() == dot


def test_a_running_cell_is_not_disturbed(front):
    front.use_subshell()
    mine, front.subshell = front.subshell, None
    message = front.send("import time; time.sleep(5)", "s")
    front.hear(lambda d: d.get("id") == "s" and d.get("state") == "running")
    front.subshell = mine
    assert "a cell is running" in ask(front, "a", "df")["reason"]
    front.subshell = None
    front.finish(message)
    assert "table" in ask(front, "a", "df")


def test_refresh_runs_anew_once(front):
    front.tell(type="refresh", cells=["c"])
    front.tell(type="request-inspect", id="i", cell="c")
    front.hear("inspection")
    assert [front.run(CELLS["c"], "c").status for _ in range(2)] == ["ran", "hit"]


def test_what_was_cleared_is_stale_until_it_has_run(front):
    front.quiet()
    for file in (front.store / "ac").rglob("*.json"):
        file.chmod(0o600)
        file.unlink()
    front.tell(type="forget", cells=["c"])
    assert front.hear(lambda d: d.get("id") == "c" and "state" in d)["state"] == "stale"
    assert front.run(CELLS["c"], "c").status == "ran"
    front.hear(lambda d: d.get("id") == "c" and d.get("state") == "fresh")


def test_pictures_of_passes_by_the_dozen(frontend):
    front = frontend()
    show = "from IPython.display import Image, display\ndisplay(Image(PNG + bytes([n]), format='png'))"
    cells = {
        "a": "PNG = b'\\x89PNG\\r\\n\\x1a\\n'\nn = 0",
        "b": f"# @loop max_iter=30 carry=n\nif n % 2 == 0:\n    {show.replace(chr(10), chr(10) + '    ')}\nn = n + 1",
    }
    front.document(**cells)
    for cell, source in cells.items():
        assert front.run(source, cell).error is None

    def film(first, count, cell="b"):
        front.tell(type="request-pictures", id="f", cell=cell, first=first, count=count)
        return front.hear("pictures")

    whole = film(0, 24)
    assert (whole["passes"], whole["first"], len(whole["items"])) == (30, 0, 24)
    assert [shown is not None for shown in whole["items"]] == [True, False] * 12
    assert whole["items"][0].startswith("iVBOR")
    assert whole["items"][0] != whole["items"][2]
    last = film(24, 24)
    assert (last["first"], len(last["items"])) == (24, 6)
    assert len(film(0, 1000)["items"]) == 24
    assert film(99, 24)["items"] == []
    assert film(0, 24, "a")["passes"] == 0
