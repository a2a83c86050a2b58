"""Mounts of S3 in a real kernel against a real endpoint: what is fetched, what is served, what makes a cell stale."""

import pytest


@pytest.fixture
def front(frontend, bucket):
    return frontend(**bucket.environ)


def test_a_file_is_fetched_when_it_is_read_and_the_cell_is_served_afterwards(front, bucket):
    for name in ("a.csv", "b.csv", "deep/c.csv"):
        bucket.put(f"raw/{name}", f"x\n{name}\n")
    cell = f"# @mount raw {bucket.uri}/raw\nimport pathlib\ntext = (raw / 'a.csv').read_text()\n"
    cell += "print(text, isinstance(raw, pathlib.Path))"
    front.document(a=cell, b="print('raw' in globals())")
    bucket.fetched()
    got = front.run(cell, "a")
    assert (got.error, got.text()) == (None, "x\na.csv\n True\n")
    assert bucket.fetched() == ["raw/a.csv"]
    assert front.run("print('raw' in globals())", "b").text() == "False\n"
    front.restart()
    front.document(a=cell)
    got = front.run(cell, "a")
    assert (got.status, got.reasons, got.text()) == ("hit", [], "x\na.csv\n True\n")
    # What it did not look at is no reason, and what is served fetches nothing.
    bucket.put("raw/b.csv", "other")
    bucket.put("raw/new.csv", "new")
    assert front.run(cell, "a").status == "hit"
    assert bucket.fetched() == []
    bucket.put("raw/a.csv", "y\n")
    got = front.run(cell, "a")
    assert (got.status, got.text()) == ("ran", "y\n True\n")
    assert f"{bucket.uri}/raw/a.csv changed" in str(got.reasons)
    assert bucket.fetched() == ["raw/a.csv"]


def test_a_new_file_below_a_prefix_is_the_only_one_that_is_fetched(front, bucket):
    for name in ("a", "b", "deep/c"):
        bucket.put(f"raw/{name}.csv", f"{name}\n")
    cell = f"# @mount raw {bucket.uri}/raw\nnames = sorted(p.read_text().strip() for p in raw.rglob('*.csv'))\nprint(names)"
    assert front.run(cell, "a").text() == "['a', 'b', 'c']\n".replace("'c'", "'deep/c'")
    bucket.fetched()
    bucket.put("raw/deep/d.csv", "d\n")
    got = front.run(cell, "a")
    assert (got.status, got.text()) == ("ran", "['a', 'b', 'd', 'deep/c']\n")
    assert f"the files in {bucket.uri}/raw" in str(got.reasons)
    assert bucket.fetched() == ["raw/deep/d.csv"]
    # Another notebook on this machine has them all.
    cell = f"# @mount other {bucket.uri}/raw\nprint(len(list(other.glob('**/*.csv'))), (other / 'a.csv').read_bytes())"
    assert front.run(cell, "b").text() == "4 b'a\\n'\n"
    assert bucket.fetched() == []
    bucket.client.delete_object(Bucket=bucket.name, Key="raw/deep/d.csv")
    assert front.run(cell, "b").text() == "3 b'a\\n'\n"


def test_libraries_in_other_languages_find_what_stands_there(front, bucket):
    for name in ("a", "b"):
        bucket.put(f"raw/{name}.csv", f"x\n{name}\n")
    cell = (
        f"# @mount raw {bucket.uri}/raw\nimport duckdb, polars, pathlib, os, subprocess\n"
        "print(polars.read_csv(raw / 'a.csv')['x'].to_list())\n"
        "print(len(duckdb.sql(f\"SELECT * FROM '{raw}/*.csv'\").fetchall()))\n"
        "print(polars.scan_csv(raw / '*.csv').collect().height)\n"
        "print(sorted(os.listdir(raw)), pathlib.Path(raw) == raw, pathlib.Path(raw, 'b.csv').read_text())\n"
        "print(open(os.path.join(raw, 'b.csv')).read(), os.path.exists(str(raw) + '/none'))"
    )
    front.document(a=cell)
    got = front.run(cell, "a")
    want = "['a']\n2\n2\n['a.csv', 'b.csv'] True x\nb\n\nx\nb\n False\n"
    assert (got.error, got.text()) == (None, want)
    front.restart()
    front.document(a=cell)
    assert front.run(cell, "a").status == "hit"
    bucket.put("raw/b.csv", "x\nB\n")
    got = front.run(cell, "a")
    assert (got.status, got.text()) == ("ran", want.replace("x\nb\n", "x\nB\n"))
    assert f"{bucket.uri}/raw/b.csv changed" in str(got.reasons)


def test_paths_in_values_stay_paths_of_the_mount(front, bucket):
    bucket.put("raw/a.csv", "one")
    bucket.put("raw/b.csv", "two")
    cells = {
        "a": f"# @mount raw {bucket.uri}/raw\nfiles = sorted(raw.iterdir())\nfirst = str(files[0])",
        "b": "print(files[1].read_text(), files[1])",
        "c": "print(open(first).read())",
    }
    cells["b"] = "print(files[1].name, files[1].read_text())"
    front.document(**cells)
    got = [front.run(source, cell) for cell, source in cells.items()]
    assert [g.text() for g in got] == ["", "b.csv two\n", "one\n"]
    front.restart()
    front.document(**cells)
    got = [front.run(source, cell) for cell, source in cells.items()]
    assert [g.status for g in got] == ["hit", "hit", "hit"]
    bucket.put("raw/b.csv", "TWO")
    front.restart()
    front.document(**cells)
    got = [front.run(source, cell) for cell, source in cells.items()]
    assert [(g.status, g.text()) for g in got] == [("hit", ""), ("ran", "b.csv TWO\n"), ("hit", "one\n")]
    # The text of a path means the same after its content changed.
    bucket.put("raw/a.csv", "ONE")
    got = [front.run(source, cell) for cell, source in cells.items()]
    assert [g.text() for g in got] == ["", "b.csv TWO\n", "ONE\n"]


def test_read_only_mounts_refuse_writes_and_no_path_leaves_a_mount(front, bucket):
    bucket.put("raw/a.txt", "a")
    bucket.put("raw/../escape.txt", "e")
    bucket.put("raw//absolute.txt", "e")
    head = f"# @mount raw {bucket.uri}/raw\n"
    got = front.run(head + "(raw / 'a.txt').write_text('b')", "a")
    assert got.error == "PermissionError"
    assert "rw` lets the cell write" in got.content["evalue"]
    assert front.run(head + "(raw / '..' / '..' / 'x').exists()", "b").error == "MountError"
    got = front.run(head + "print([p.name for p in raw.rglob('*')], [p.name for p in raw.iterdir()])", "c")
    assert got.text() == "['a.txt'] ['a.txt']\n"


def test_what_is_wrong_is_told_with_its_cure(front, bucket, s3):
    got = front.run("# @mount raw s3://no-such-bucket-anywhere/x\n(raw / 'a').read_text()", "a")
    assert (got.error, "s3://no-such-bucket-anywhere/x/a" in got.content["evalue"]) == ("FileNotFoundError", True)
    (front.folder / "strata.toml").write_text(
        '[mounts.raw]\nuri = "s3://elsewhere/raw"\noptions = { client_kwargs = { endpoint_url = "http://127.0.0.1:9" } }\n'
        "[[mounts.x]]\n"
    )
    (front.folder / "strata.toml").write_text(
        '[mounts.raw]\nuri = "s3://elsewhere/raw"\n'
        'options = { config_kwargs = { retries = { max_attempts = 1 } }, endpoint_url = "http://127.0.0.1:9" }\n'
        f'[mounts.good]\nuri = "{bucket.uri}/good"\noptions = {{ key = "${{MY_KEY}}", secret = "${{MY_KEY}}" }}\n'
        f'[mounts.plain]\nuri = "{bucket.uri}/plain"\noptions = {{ secret = "abc" }}\n'
    )
    front.restart()
    got = front.run("(raw / 'a').read_text()", "b")
    assert got.error == "MountError"
    assert "cannot look at s3://elsewhere/raw/a" in got.content["evalue"]
    got = front.run("(good / 'a').read_text()", "c")
    assert (got.error, "MY_KEY, which is not set" in got.content["evalue"]) == ("MountError", True)
    got = front.run("(plain / 'a').read_text()", "d")
    assert (got.error, "holds a secret" in got.content["evalue"]) == ("MountError", True)
    # What was caught of it holds only as long as it goes wrong.
    caught = "try:\n    (raw / 'a').read_text()\n    y = 1\nexcept OSError:\n    y = 2\nprint(y)"
    assert [front.run(caught, "e").status for _ in range(2)] == ["ran", "ran"]
