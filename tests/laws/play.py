"""Play a case: a kernel and its frontend on one side, the oracle on the other, and what differs between them."""

import json
import shutil
import tempfile
from pathlib import Path

from .client import Frontend, KernelDied, KernelStuck, Nursery
from .oracle import Oracle, files_of, plain
from .stage import Stage

FRESH_EVERY_RUN = "fresh"


class Bench:
    """What cases share: the oracle and the nursery of one kernel name."""

    def __init__(self, kernel="strata", tolerate=()):
        self.kernel, self.tolerate = kernel, set(tolerate)
        self.oracle, self.nursery = Oracle(), Nursery(kernel)

    def close(self):
        self.oracle.close()
        self.nursery.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def play(self, case, mode=""):
        """Play a case and return what came of it; the mode "fresh" takes a new kernel before each run of all cells."""
        home = Path(tempfile.mkdtemp(prefix="law"))
        match = Match(self, case, home, mode)
        try:
            match.play()
        finally:
            match.close()
            shutil.rmtree(home, ignore_errors=True)
        return match.played


class Match(Stage):
    """A case being played: runs, and their comparison with the oracle."""

    def play(self):
        try:
            self.front = Frontend(self.bench.nursery, self.world, self.store, self.env)
            self.front.ids = [f"c{i}" for i in range(len(self.cells))]
            self.fresh_ids = len(self.cells)
            self.front.document(self.cells, self.variants)
            for step, (op, *a) in enumerate(self.case["steps"]):
                self.step = step
                getattr(self, f"on_{op}")(*a)
                if self.played.faults:
                    return
        except KernelStuck as e:
            self.fault("shutdown", str(e))
        except KernelDied as e:
            self.fault("kernel died", str(e))

    def ask(self, upto=None, world=None):
        env = {k: v for k, v in self.env.items() if not k.startswith("STRATA_")}
        return self.bench.oracle.ask(self.cells, world or self.world, env, upto=upto, variants=self.variants)

    def on_run_all(self, front=None):
        if self.mode == FRESH_EVERY_RUN:
            self.on_restart()
        self.verdict, self.upto = self.ask(), None
        if self.verdict.endless:
            self.played.undecided += 1
            return
        error = self.run_cells(self.front, self.cells)
        self.judge_run(self.front, error)

    def run_cells(self, front, cells):
        for i, (cell, source) in enumerate(zip(front.ids, cells, strict=True)):
            error = self.execute(front, cell, source)
            if error:
                return (i, error)
        return None

    def execute(self, front, cell, source):
        error = front.execute(cell, source)
        self.played.executed += 1
        self.played.hits += front.status[cell] == "hit"
        front.tainted |= any(reason["code"] == "tainted" for reason in front.reasons[cell])
        for reason in front.reasons[cell]:
            if reason["code"] == "bug":
                self.fault("engine raised", cell, f"{reason['text']}: {front.tail()}")
        return error

    def judge_run(self, front, error):
        """Compare errors, outputs and files of a run of all cells with the oracle's."""
        verdict = self.verdict
        if verdict.broken or front.tainted:
            self.played.undecided += 1
            return
        self.played.checks += 1
        if error != verdict.error:
            shown = front.outputs(front.ids[error[0]])[-1:] if error else ""
            self.fault("error", f"{shown}", error, verdict.error)
        last = verdict.error[0] if verdict.error else len(self.cells) - 1
        for i in sorted({*range(last + 1)} - verdict.out):
            if (got := self.shown(front, i)) != verdict.outputs[i]:
                self.fault("output", f"cell {i}", got, verdict.outputs[i])
        files = files_of(front.world)
        for path in sorted(files.keys() | verdict.files.keys()):
            if self.text(files.get(path)) != self.text(verdict.files.get(path)) and not self.pending(verdict, path):
                self.fault("file", path, files.get(path), verdict.files.get(path))

    def shown(self, front, i):
        """Return what a cell shows, but for the warning that the store went away while it was written to."""
        found = front.outputs(front.ids[i])
        return [o for o in found if not (self.cleared and o[0] == "stderr" and o[1].startswith("strata: cannot write"))]

    def text(self, content):
        """Return a file's content without what may differ between two honest runs."""
        return content and plain(content, self.world)

    @staticmethod
    def pending(verdict, path):
        """Say whether a file is held open by a name, so that its content on disk depends on buffers."""
        return any(
            d[0] == "file" and d[2].endswith(path) and "r" not in d[3]
            for d in verdict.names.values()
            if isinstance(d, list)
        )

    def on_run(self, i):
        if i >= len(self.cells) or self.mode == FRESH_EVERY_RUN:
            return
        self.verdict, self.upto = self.ask(i), i
        if self.verdict.endless:
            self.played.undecided += 1
            return
        error = self.execute(self.front, self.front.ids[i], self.cells[i])
        if not self.verdict.broken and i in self.verdict.out:
            self.verdict = None
            return
        above = not self.verdict.broken and self.verdict.error and self.verdict.error[0] < i
        told = self.front.tainted or self.verdict.broken
        if told or above or not self.verdict.repeatable or self.ambiguous(i):
            self.verdict = None
            self.played.undecided += 1
            return
        self.played.checks += 1
        if (error and (i, error)) != (self.verdict.error or None):
            self.fault("prefix error", str(self.front.outputs(self.front.ids[i])[-1:]), error, self.verdict.error)
        if (got := self.shown(self.front, i)) != self.verdict.outputs[i]:
            self.fault("prefix output", f"cell {i}", got, self.verdict.outputs[i])
        files, had = files_of(self.world), self.verdict.files_before
        for path in sorted(self.verdict.files):
            if had.get(path) != self.verdict.files[path] and self.text(files.get(path)) != self.text(
                self.verdict.files[path]
            ):
                self.fault("prefix file", path, files.get(path), self.verdict.files[path])

    def ambiguous(self, i):
        """Tell whether it matters that the cells above ran before the kernel wrote its files, and not after."""
        if files_of(self.world) == files_of(self.pristine):
            return False
        now, then = self.verdict, self.ask(i, self.pristine)
        return then.broken or (now.error, now.names, now.outputs.get(i)) != (
            then.error,
            then.names,
            then.outputs.get(i),
        )

    def on_check(self):
        """Compare every name with the oracle's."""
        if self.verdict is None or self.verdict.broken or self.front.tainted:
            return
        try:
            got = self.front.described()
        except ValueError as e:
            self.fault("description", str(e))
            return
        names, want = json.loads(plain(json.dumps(got["names"]), self.world)), self.verdict.names
        prefix = "prefix " if self.upto is not None else ""
        self.played.checks += 1
        for name in sorted(names.keys() | want.keys()):
            if name not in want:
                self.fault(prefix + "extra name", name, names[name])
            elif name not in names:
                self.fault(prefix + "missing name", name, None, want[name])
            elif names[name] != want[name]:
                self.fault(prefix + "name", name, names[name], want[name])

    def on_second(self):
        """A second kernel on the same store runs the same document in its own copy of the world, interleaved with the first."""
        if self.mode == FRESH_EVERY_RUN:
            return
        if self.ask().endless:
            self.played.undecided += 1
            return
        world = self.home / f"second{self.step}" / self.world.name
        shutil.copytree(self.world, world)
        other = Frontend(self.bench.nursery, world, self.store, self.env)
        try:
            other.ids = list(self.front.ids)
            other.document(self.cells, self.variants)
            self.verdict, self.upto = self.ask(), None
            errors = [None, None]
            for i, (cell, source) in enumerate(zip(self.front.ids, self.cells, strict=True)):
                for k, front in enumerate((self.front, other)):
                    if errors[k] is None and (ename := self.execute(front, cell, source)):
                        errors[k] = (i, ename)
            self.judge_run(self.front, errors[0])
            self.judge_run(other, errors[1])
        finally:
            other.stop()

    def on_all_hit(self):
        """The run just made repeated another one: its pure cells may not have executed."""
        if self.verdict is None or self.verdict.broken or self.verdict.error or not self.verdict.repeatable:
            return
        if self.verdict.faulty or self.front.tainted:
            return
        if not set(self.cells) <= set(self.case.get("pure", ())):
            self.played.missed += [
                s for i, s in enumerate(self.cells) if self.front.status.get(self.front.ids[i]) != "hit"
            ]
            return
        self.on_hit(i for i in range(len(self.cells)) if i not in self.verdict.out)

    def on_hit(self, cells):
        ran = [i for i in cells if self.front.status.get(self.front.ids[i]) != "hit"]
        if ran:
            self.fault(
                "second run executes",
                f"cells {ran}: {[self.cells[i] for i in ran][:3]}",
                [(self.front.status.get(n := self.front.ids[i]), self.front.reasons.get(n)) for i in ran],
            )

    def on_expect(self, expression):
        self.played.checks += 1
        try:
            got = self.front.value(f"bool({expression})")
        except ValueError as e:
            got = str(e)
        if got != "True":
            self.fault("expect", expression, got)

    def on_same(self, expression):
        """The value of an expression stays what it was when it was first asked for in this case."""
        got = self.front.value(expression)
        if (before := self.known.setdefault(expression, got)) != got:
            self.fault("frozen", expression, got, before)
