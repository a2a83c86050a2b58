"""Mounts mean the same on every object store: what is read, what makes a cell stale, what is written back, what goes wrong."""

import pytest


@pytest.fixture
def front(frontend, store, tmp_path):
    (tmp_path / "strata.toml").write_text(store.settings())
    return frontend(**store.environ)


def test_what_is_read_holds_until_it_changes(front, store):
    for name in ("a.csv", "b.csv", "deep/c.csv"):
        store.put(f"raw/{name}", f"x\n{name}\n".encode())
    head = f"# @mount raw {store.uri}/raw\n"
    one = head + (
        "text = (raw / 'a.csv').read_text()\nnew = (raw / 'a.csv').stat().st_mtime > 1_700_000_000\n"
        "print(text.split()[1], (raw / 'none.csv').exists(), new)"
    )
    names = head + "print(sorted(p.name for p in raw.iterdir()), [p.name for p in raw.glob('*.csv')])"
    deep = head + "print(sorted(p.read_text().split()[1] for p in raw.rglob('*.csv')))"
    native = head + "import polars\nprint(polars.scan_csv(raw / '*.csv').collect()['x'].to_list())"
    cells = {"a": one, "b": names, "c": deep, "d": native}

    def play():
        front.document(**cells)
        got = [front.run(source, cell) for cell, source in cells.items()]
        assert [g.error for g in got] == [None] * 4, [g.content for g in got]
        return [(g.status, g.text()) for g in got]

    want = [
        "a.csv False True\n",
        "['a.csv', 'b.csv', 'deep'] ['a.csv', 'b.csv']\n",
        "['a.csv', 'b.csv', 'deep/c.csv']\n",
        "['a.csv', 'b.csv']\n",
    ]
    assert play() == [("ran", text) for text in want]
    front.restart()
    assert play() == [("hit", text) for text in want]
    # Of the same size, so that only what the store says tells them apart.
    store.put("raw/a.csv", b"x\nA.csv\n")
    want[0], want[2], want[3] = ("A.csv False True\n", want[2].replace("a.", "A."), want[3].replace("a.", "A."))
    assert play() == [("ran", want[0]), ("hit", want[1]), ("ran", want[2]), ("ran", want[3])]
    store.put("raw/deep/d.csv", b"x\nd\n")
    store.put("raw/none.csv", b"x\nn\n")
    got = play()
    assert [status for status, _ in got] == ["ran"] * 4
    assert got[0][1] == "A.csv True True\n"
    assert got[2][1] == "['A.csv', 'b.csv', 'd', 'deep/c.csv', 'n']\n"
    store.delete("raw/deep/d.csv")
    # Who got the text of a folder may have looked at all of it.
    assert [status for status, _ in play()] == ["hit", "hit", "ran", "ran"]


def test_what_is_written_goes_back_in_one_go_and_what_goes_wrong_is_told(front, store):
    store.put("out/old.txt", b"old")
    store.put("out/gone.txt", b"gone")
    head = f"# @mount out {store.uri}/out rw\n"
    failing = head + "(out / 'new.txt').write_text('new')\n(out / 'gone.txt').unlink()\n1 / 0"
    got = front.run(failing, "a")
    assert got.error == "ZeroDivisionError"
    assert "is kept in" in got.text("stderr")
    assert store.keys() == ["out/gone.txt", "out/old.txt"]
    good = head + (
        "(out / 'sub').mkdir()\n(out / 'sub' / 'new.txt').write_text('new')\n(out / 'gone.txt').unlink()\n"
        "with open(out / 'old.txt', 'a') as file: file.write('+')\n"
        "with open(out / 'native.txt', 'w') as file: file.write('n')\n"
        "print(sorted(p.name for p in out.iterdir()))"
    )
    got = front.run(good, "b")
    assert (got.error, got.text()) == (None, "['native.txt', 'old.txt', 'sub']\n")
    assert store.keys() == ["out/native.txt", "out/old.txt", "out/sub/new.txt"]
    assert (store.get("out/old.txt"), store.get("out/sub/new.txt")) == (b"old+", b"new")
    # It runs each time. What takes several pieces arrives whole.
    large = head + "(out / 'x.bin').write_bytes(bytes(range(256)) * 80_000)"
    assert [front.run(large, "c").status for _ in range(2)] == ["ran", "ran"]
    assert "writes to" in str(front.run(large, "c").decision["reasons"])
    assert store.get("out/x.bin") == bytes(range(256)) * 80_000
    assert (
        front.run(
            f"# @mount out {store.uri}/out\nprint(hash((out / 'x.bin').read_bytes()) == hash(bytes(range(256)) * 80_000))",
            "d",
        ).text()
        == "True\n"
    )
    # What someone else wrote meanwhile stays.
    store.put("out/table.txt", b"mine")
    cell = head + (
        "(out / 'other.txt').write_text('o')\ntext = (out / 'table.txt').read_text()\n"
        f"{store.overwriting('out/table.txt', b'theirs')}\n(out / 'table.txt').write_text(text + ' and more')"
    )
    got = front.run(cell, "e")
    assert got.error == "MountError"
    assert f"{store.uri}/out/table.txt was changed by someone else" in got.content["evalue"]
    kept = got.content["evalue"].rpartition("is kept in ")[2]
    got = front.run(f"import pathlib; print(sorted(p.read_text() for p in pathlib.Path({kept!r}).iterdir()))", "f")
    assert got.text() == "['mine and more', 'o']\n"
    assert store.get("out/table.txt") == b"theirs"
    found = store.keys()
    assert "out/other.txt" not in found
    # What is not there, or cannot be had.
    got = front.run(f"# @mount raw {store.uri}/nothing\nprint(list(raw.iterdir()))\n(raw / 'a').read_text()", "g")
    assert (got.error, f"{store.uri}/nothing" in got.content["evalue"]) == ("FileNotFoundError", True)
    got = front.run("(wrong / 'a').read_text()", "h")
    assert got.error == "MountError"
    assert "/elsewhere/raw" in got.content["evalue"]
    assert "check the address, the network and the credentials" in got.content["evalue"]
    assert front.run("print(list(wrong.iterdir()))", "i").error == "MountError"
