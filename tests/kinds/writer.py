"""Another process that writes to a database: one JSON list of statements a line, answered by what then stands there.

A list in a list is one transaction. Arguments: the engine, and the file or the port.
"""

import json
import sqlite3
import sys

QUERY = "SELECT id, name FROM item ORDER BY id, name"


def main():
    engine, where = sys.argv[1:]
    kept = None
    for line in sys.stdin:
        if kept is None or engine == "duckdb":
            kept = connect(engine, where)
        try:
            for transaction in json.loads(line):
                kept.execute("BEGIN")
                for statement in transaction:
                    kept.execute(statement)
                kept.execute("COMMIT")
            pragma = json.loads(line)
            rows = kept.execute(QUERY).fetchall() if pragma is not None else []
        finally:
            if engine == "duckdb":
                kept.close()
        print(json.dumps([list(r) for r in rows]), flush=True)


def connect(engine, where):
    if engine == "sqlite":
        con = sqlite3.connect(where, isolation_level=None, timeout=60)
        con.execute("PRAGMA synchronous = OFF")
        return con
    if engine == "duckdb":
        import time

        import duckdb

        while True:
            try:
                return duckdb.connect(where)
            except duckdb.IOException:  # a reader holds it
                time.sleep(0.002)
    import psycopg

    return psycopg.connect(host="127.0.0.1", port=int(where), dbname="shop", user="reader", autocommit=True)


main()
