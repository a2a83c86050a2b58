"""What another process writes is noticed, always: random interleavings of its transactions with queries.

STRATA_FRESHNESS=1000 plays a thousand steps on each engine.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from strata_kernel.cells.query import read
from strata_kernel.errors import CellError
from strata_kernel.executors.engine import Ask
from strata_kernel.executors.sql import Databases
from strata_kernel.world.world import LocalWorld
from tests.kinds.test_sql import Outside, port  # noqa: F401
from tests.kinds.writer_query import QUERY

STEPS = int(os.environ.get("STRATA_FRESHNESS", "60"))


class Cache:
    """Serves what was recorded while its facts hold, as the engine does; keeps every record."""

    def __init__(self, databases, world):
        self.databases, self.world, self.kept = databases, world, []

    def holds(self, fact):
        return self.world.holds(fact)

    def answer(self):
        for facts, rows in reversed(self.kept):
            if all(self.holds(f) for f in facts):
                return rows, True
        return self.ask(), False

    def ask(self):
        found = read(QUERY)
        asked = Ask(QUERY, found.statements, {}, {}, found.texts, found.words, "pandas")
        answer = self.databases.engine("shop").query(asked)
        rows = [[int(i), n] for i, n in answer.frame.values.tolist()]
        assert answer.facts
        self.kept.append((answer.facts, rows))
        del self.kept[:-40]
        return rows


class Writer:
    def __init__(self, engine, where):
        script = Path(__file__).with_name("writer.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), engine, str(where)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, transactions):
        self.process.stdin.write(json.dumps(transactions) + "\n")
        self.process.stdin.flush()

    def end(self):
        line = self.process.stdout.readline()
        assert line, "the writer died"
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


def transaction(rng, engine):
    """Return one transaction; many leave the sizes of everything as they were."""
    k = rng.randrange(6)
    choices = [
        [f"INSERT INTO item VALUES ({k}, '{rng.choice('abc')}')"],
        [f"UPDATE item SET name = '{rng.choice('abc')}' WHERE id = {k}"],
        [f"DELETE FROM item WHERE id = {k}"],
        [f"DELETE FROM item WHERE id = {k}", f"INSERT INTO item VALUES ({k}, '{rng.choice('abc')}')"],
        [f"UPDATE item SET name = '{rng.choice('abc')}'"],
        ["SELECT 1"],
    ]
    if engine != "duckdb":
        choices.append(["ALTER TABLE item RENAME TO other", "ALTER TABLE other RENAME TO item"])
    return rng.choice(choices)


@pytest.mark.parametrize("engine", ["sqlite", "sqlite-wal", "duckdb", "postgresql"])
def test_no_answer_is_older_than_the_last_transaction(engine, request, tmp_path):
    wal, engine = engine.endswith("-wal"), engine.removesuffix("-wal")
    number = request.getfixturevalue("port") if engine == "postgresql" else None
    outside = Outside(engine, tmp_path, number)
    outside.execute("DROP TABLE IF EXISTS item", "CREATE TABLE item (id INTEGER, name TEXT)")
    if wal:
        outside.execute("PRAGMA journal_mode = WAL")
    where = number or tmp_path / "shop.db"
    table = {"driver": engine, "path": str(where)}
    if engine == "postgresql":
        table = {"driver": engine, "host": "127.0.0.1", "port": number, "dbname": "shop", "user": "reader"}
    world = LocalWorld([str(tmp_path)])
    databases = Databases({"shop": table}, tmp_path, "pandas", world)
    world.witnesses["table"] = databases
    cache, writer = Cache(databases, world), Writer(engine, where)
    rng, served, stale = random.Random(STEPS), 0, []
    try:
        writer.begin([["SELECT 1"]])
        truth = writer.end()
        for step in range(STEPS):
            kind = rng.random()
            if kind < 0.45:
                writer.begin([transaction(rng, engine) for _ in range(rng.randrange(1, 3))])
                truth = writer.end()
            elif kind < 0.6:
                # Queries in the midst of transactions: what they record must not stand for what comes after.
                writer.begin([transaction(rng, engine) for _ in range(rng.randrange(2, 12))])
                for _ in range(rng.randrange(1, 6)):
                    try:
                        cache.ask()
                    except CellError:
                        pass
                truth = writer.end()
            rows, hit = cache.answer()
            served += hit
            if rows != truth:
                stale.append((step, hit, rows, truth))
    finally:
        writer.stop()
    assert not stale
    assert served > STEPS / 5
