"""`from __future__` holds in all cells below, also when the cell that says so was served."""

FUTURE = "from __future__ import annotations\nn = 1"
USE = "def f(x: Unknown): ...\nprint(f.__annotations__)"


def test_future_statements_of_served_cells(frontend):
    front = frontend()
    front.document(a=FUTURE, b=USE)
    assert front.run(FUTURE, "a").error is None
    assert front.run(USE, "b").text() == "{'x': 'Unknown'}\n"
    front.restart()
    edited = USE + "\nprint('again')"
    front.document(a=FUTURE, b=edited)
    assert front.run(FUTURE, "a").status == "hit"
    assert front.run(edited, "b").text() == "{'x': 'Unknown'}\nagain\n"
    # Without the statement the name must be there, as in a fresh kernel.
    front.document(a="n = 1", b=edited)
    assert front.run("n = 1", "a").error is None
    assert front.run(edited, "b").error == "NameError"
