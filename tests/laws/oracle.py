"""The judge of every law: what a fresh process makes of a document in a copy of the world."""

import hashlib
import json
import os
import re
import select
import subprocess
import sys
from pathlib import Path

PROBE = Path(__file__).parent / "probe"
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
HANDLE = re.compile(r"\b[0-9a-f]{32}\b")
TIMING = re.compile(r"^(CPU times|Wall time):.*\n?", re.MULTILINE)
DEPTH = re.compile(r"at the recursion depth \d+")
WARNED = re.compile(r"^\S+:\d+: (?=\w*Warning)", re.MULTILINE)
#: What a cell is called in a message about its syntax.
CELL_FILE = re.compile(r"\((?:\d+\.py|<ipython-input-[^>]*>), line ")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
TOUCHES_FILES = (
    "open(", "Path", "os.", "to_csv", "%%writefile", "np.save", "shutil", "sqlite", "to_pickle", "to_json", "savefig",
    "memmap", "joblib", "shelve", "write_", "duckdb",
)  # fmt: skip
DRAWS = ("rand", "rng", "shuffle", "sample", "SGD")
TIMEOUT = 60


def plain(text, world):
    """Text without what may differ between two honest runs: addresses, durations, the place of the world."""
    text = text.replace(str(world), "<WORLD>").replace("\r\n", "\n")
    # A served %%writefile says what its run said; whether the file stood there before is no part of its answer.
    text = text.replace("Overwriting ", "Writing ")
    text = CELL_FILE.sub("(<cell>, line ", text)
    text = DEPTH.sub("at the recursion depth", text)
    return WARNED.sub("", TIMING.sub("", HANDLE.sub("<HANDLE>", ADDRESS.sub("at 0x", ANSI.sub("", text)))))


class View:
    """What each cell shows: events folded as a frontend folds them."""

    def __init__(self):
        self.cells, self.displays, self.waiting = {}, {}, set()

    def begin(self, cell):
        self.cells[cell] = []
        self.waiting.discard(cell)

    def event(self, cell, kind, what, extra):
        shown = self.cells.setdefault(cell, [])
        if kind == "clear":
            if what:
                self.waiting.add(cell)
            else:
                shown.clear()
            return
        if kind == "update":
            for entry in self.displays.get(extra, []):
                entry[1] = what
            return
        if cell in self.waiting:
            shown.clear()
            self.waiting.discard(cell)
        if kind == "stream":
            shown.append([what, extra])
        else:
            shown.append([kind, what if kind != "error" else f"{what}: {extra}"])
            if extra is not None and kind in ("display", "result"):
                self.displays.setdefault(extra, []).append(shown[-1])

    def folded(self, cell, world):
        """Outputs in order; between two displays the text of each stream is one piece, for streams are not ordered against each other."""
        out, texts = [], {}
        for kind, text in [*self.cells.get(cell, []), ["end", ""]]:
            if kind in ("stdout", "stderr"):
                texts[kind] = texts.get(kind, "") + text
                continue
            out += [[k, plain(t, world)] for k, t in sorted(texts.items()) if plain(t, world)]
            texts = {}
            if kind != "end":
                out.append([kind, plain(text, world)])
        return out


class Verdict:
    """What the oracle says of one document in one world."""

    def __init__(self, answer):
        self.broken = answer.get("broken")
        self.endless = self.broken in ("timeout", "the process died", "the oracle did not answer")
        if self.broken:
            return
        #: Cells that do not stand; whether something failed on a lane, which is no error.
        self.out, self.faulty = set(answer["out"]), answer["faulty"]
        self.error = tuple(answer["error"]) if answer["error"] else None
        self.files = answer["files"]
        self.files_before = answer["before"]  # as the last cell found them; None when it was not reached
        self.repeatable = answer.get("repeatable", True)
        world = answer["world"]
        self.described = json.loads(plain(json.dumps(answer["described"]), world))
        self.names = self.described["names"]
        view = View()
        for i, events in enumerate(answer["outputs"]):
            view.begin(i)
            for kind, what, extra in events:
                view.event(i, kind, what, extra)
        self.outputs = {i: view.folded(i, world) for i in view.cells}


class Oracle:
    """A client of the warm forking process; answers are remembered by document, world and environment."""

    def __init__(self):
        self.process, self.known = None, {}

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_")}
        env |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(PROBE), "MPLBACKEND": "Agg"}
        self.process = subprocess.Popen(
            [sys.executable, str(PROBE / "strata_laws_oracle.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
        )

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(10)
            self.process = None

    def ask(self, cells, world, env=None, twice=None, upto=None, variants=None):
        """Run the cells, down to `upto`, in a fresh process in a copy of the world; `twice`: does a second run give the same?"""
        upto = len(cells) - 1 if upto is None else upto
        twice = any(t in c for c in cells for t in TOUCHES_FILES) if twice is None else twice
        key = hashlib.sha256(
            json.dumps([list(cells), upto, variants or {}, print_of(world), env or {}, twice]).encode()
        ).digest()
        if key not in self.known:
            if self.process is None or self.process.poll() is not None:
                self.start()
            request = {"cells": list(cells), "world": str(world), "env": env or {}, "twice": twice}
            request |= {"upto": upto, "variants": variants or {}}
            request["draws"] = any(t in c for c in cells for t in DRAWS)
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
            if not ready:
                self.process.kill()
                return Verdict({"broken": "the oracle did not answer"})
            self.known[key] = Verdict(json.loads(self.process.stdout.readline()))
        return self.known[key]


def print_of(world):
    """The content of a world, as the key of an answer."""
    return sorted((k, hashlib.sha1(v.encode("latin-1")).hexdigest()) for k, v in files_of(world).items())


def files_of(world):
    """Every file of a world with its content; folders end with a slash."""
    found = {}
    for root, folders, names in os.walk(world):
        folders[:] = sorted(d for d in folders if d not in ("__pycache__", ".ipynb_checkpoints"))
        for name in names:
            path = Path(root) / name
            found[os.path.relpath(path, world)] = path.read_bytes().decode("latin-1")
        for name in folders:
            found[os.path.relpath(Path(root) / name, world) + "/"] = ""
    return found
