"""Where a case is played: the document, the world and the store, and what is done to them between runs."""

import contextlib
import os
import random
import shutil
from dataclasses import dataclass, field

from .client import KernelDied


@dataclass
class Fault:
    """One divergence: which law, at which step, and what differed."""

    law: str
    step: int
    what: str
    got: object = None
    want: object = None

    def __str__(self):
        return f"step {self.step}: {self.law}: {self.what}: got {str(self.got)[:1500]}, want {str(self.want)[:300]}"


@dataclass
class Played:
    """What came of a case."""

    faults: list = field(default_factory=list)
    missed: list = field(default_factory=list)
    executed: int = 0
    hits: int = 0
    checks: int = 0
    undecided: int = 0


class Stage:
    """A case's document, world and store, and the actions that change them."""

    def __init__(self, bench, case, home, mode):
        self.bench, self.case, self.home, self.mode = bench, case, home, mode
        self.played, self.cells, self.step, self.env = Played(), list(case["cells"]), 0, dict(case.get("env", {}))
        self.variants = dict(case.get("variants", {}))
        self.world, self.store = home / "world", home / "store"
        #: The world as it would be had the kernel written nothing since it started: there its cells above did run.
        self.pristine = home / "pristine" / "world"
        self.world.mkdir()
        self.pristine.mkdir(parents=True)
        self.verdict, self.upto, self.front, self.known = None, None, None, {}
        self.cleared = False
        for path, text in case.get("files", {}).items():
            self.put(path, text)

    def close(self):
        with contextlib.suppress(KernelDied):
            if self.front:
                self.front.stop(gently=False)

    def put(self, path, text):
        for world in (self.world, self.pristine):
            target = world / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    def fault(self, law, what, got=None, want=None):
        if law in self.bench.tolerate:
            return
        self.played.faults.append(Fault(law, self.step, what, got, want))

    def on_activate(self, group, name):
        """Let another variant stand, or all of them."""
        self.variants[group] = name
        self.told()

    def on_edit(self, i, source):
        if i < len(self.cells):
            self.cells[i] = source
            self.told()

    def on_insert(self, i, source):
        self.cells.insert(i, source)
        self.front.ids.insert(i, f"c{self.fresh_ids}")
        self.fresh_ids += 1
        self.told()

    def on_delete(self, i):
        if i < len(self.cells) > 1:
            del self.cells[i], self.front.ids[i]
            self.told()

    def on_move(self, i, j):
        if max(i, j) < len(self.cells):
            self.cells.insert(j, self.cells.pop(i))
            self.front.ids.insert(j, self.front.ids.pop(i))
            self.told()

    def told(self):
        self.verdict = None
        self.front.document(self.cells, self.variants)

    def on_restart(self):
        self.started_anew(gently=True)

    def on_kill(self):
        self.started_anew(gently=False)

    def started_anew(self, gently):
        self.verdict = None
        self.front.restart(gently=gently)
        self.front.document(self.cells, self.variants)
        shutil.rmtree(self.pristine)
        shutil.copytree(self.world, self.pristine)

    def on_clear(self):
        self.cleared = True
        for entry in self.store.iterdir() if self.store.exists() else ():
            # The kernel under test may be writing there: what comes after is no fault of the case.
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)

    def on_corrupt(self, how, where, seed):
        """Replace a few stored files by damaged ones, as a disk would after a crash; mapped pages of the old inode stay."""
        rnd = random.Random(seed)
        files = (
            sorted(p for p in (self.store / where).rglob("*") if p.is_file()) if (self.store / where).exists() else []
        )
        for path in rnd.sample(files, min(len(files), rnd.choice((1, 2, 5)))):
            content = bytearray(path.read_bytes())
            path.unlink()
            if how == "drop" or not content:
                continue
            if how == "flip":
                content[rnd.randrange(len(content))] ^= rnd.randrange(1, 256)
            else:
                del content[rnd.randrange(len(content)) :]
            path.write_bytes(content)

    def on_write(self, path, text):
        self.verdict = None
        self.put(path, text)

    def on_write_keep_mtime(self, path, text):
        self.verdict, target = None, self.world / path
        stat = target.stat() if target.exists() else None
        self.put(path, text)
        if stat:
            os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def on_touch(self, path):
        if (self.world / path).exists():
            os.utime(self.world / path)

    def on_remove(self, path):
        self.verdict = None
        for world in (self.world, self.pristine):
            (world / path).unlink(missing_ok=True)

    def on_setenv(self, name, value):
        self.env[name] = self.front.env[name] = value
