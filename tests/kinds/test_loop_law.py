"""Loops and variants under random edits, restarts and interrupts: always what a fresh run of the notebook would give.

STRATA_EDITS=500 plays so many edits.
"""

import os
import random

EDITS = int(os.environ.get("STRATA_EDITS", "30"))


class Notebook:
    """A start, a loop, a group of two variants and a reader, with a model of what they must show."""

    def __init__(self, rng):
        self.rng = rng
        self.start, self.step, self.limit, self.until, self.alias, self.active = 1, 3, 4, None, False, "add"
        self.seeded, self.grow = False, 5

    def edit(self):
        pick = self.rng.randrange(8)
        if pick == 0:
            self.start = self.rng.randrange(1, 4)
        elif pick == 1:
            self.step = self.rng.randrange(2, 5)
        elif pick == 2:
            self.limit = self.rng.randrange(1, 9)
        elif pick == 3:
            self.until = self.rng.choice([None, 20, 60, 200])
        elif pick == 4:
            self.alias = not self.alias
        elif pick == 5:
            self.active = self.rng.choice(["add", "times"])
        elif pick == 6:
            self.seeded = not self.seeded
        else:
            self.grow = self.rng.randrange(3, 7)

    def cells(self):
        draw = "random.randrange(7)" if self.seeded else "1"
        until = f"# @loop_until state[0] > {self.until}\n" if self.until is not None else ""
        body = (
            f"# @loop max_iter={self.limit} carry=state\n{until}"
            f"state[0] = state[0] * {self.step} % 997 + {draw}\n"
            "seen.append(state[0])\nlast = len(seen)\nprint(state[0])"
        )
        return {
            "a": f"import random\nrandom.seed(4)\nstate, seen = [{self.start}], []\n"
            + ("other = state" if self.alias else "other = 0"),
            "loop": body,
            "v1": f"# @variant how add\nvalue = state[0] + {self.grow}",
            "v2": f"# @variant how times\nvalue = state[0] * {self.grow}",
            "c": "print(state, seen, last, other, value, random.random())",
        }

    def expected(self):
        """What plain Python gives: the carry and the generator go on, all else starts anew in each pass."""
        draws = random.Random(4)
        state, shown = [self.start], ""
        for _ in range(self.limit):
            seen = []
            state[0] = state[0] * self.step % 997 + (draws.randrange(7) if self.seeded else 1)
            seen.append(state[0])
            shown += f"{state[0]}\n"
            if self.until is not None and state[0] > self.until:
                break
        value = state[0] + self.grow if self.active == "add" else state[0] * self.grow
        other = state if self.alias else 0
        return shown, f"{state} {seen} {len(seen)} {other} {value} {draws.random()}\n"


def play(kernel, notebook):
    cells = notebook.cells()
    kernel.document(**cells)
    listed = [{"id": i, "kind": "code", "source": s} for i, s in cells.items()]
    kernel.revision += 1
    kernel.tell(type="document", revision=kernel.revision, cells=listed, variants={"how": notebook.active})
    return {name: kernel.run(source, name) for name, source in cells.items()}


def test_random_edits(frontend):
    kernel, rng = frontend(), random.Random(EDITS)
    notebook = Notebook(rng)
    for step in range(EDITS):
        runs = play(kernel, notebook)
        assert (runs["loop"].text(), runs["c"].text()) == notebook.expected(), (step, notebook.cells())
        if rng.random() < 0.3:
            assert {r.status for r in play(kernel, notebook).values()} <= {"hit", "bypass"}, (step, notebook.cells())
        if rng.random() < 0.1:
            kernel.restart()
        notebook.edit()
