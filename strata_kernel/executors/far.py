"""A cell's process at an executor of the published protocol: what it needs is sent, what it left is bound here."""

from __future__ import annotations

import ast
import base64
import builtins
import importlib
import json
import pickle
import types
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec

from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Reason, Task
from strata_kernel.domain.dispatch import Dispatch, unpack
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.published import ARROW, JSON, MARKDOWN, PICKLE, PNG
from strata_kernel.domain.state import hidden, in_words
from strata_kernel.domain.terms import Terms
from strata_kernel.errors import WorkerError
from strata_kernel.executors import aboard
from strata_kernel.executors.absent import AbsentProcess
from strata_kernel.executors.parcel import Answer, Parcel
from strata_kernel.executors.prologue import GIVEN, KEPT, in_order, moved, source_of, with_ours
from strata_kernel.ports import Observed, Ran, Show, Step, Values

#: What a process was brought to by cells above, and an executor is not.
_STATE = ("effect:", "proc:")
_CURE = "Make it in this cell, pass something that can be saved, or run the cell here (`# @worker local`)."

_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

Ask = Callable[[Parcel], Awaitable[Answer]]
Read = Callable[[str, bytes], Any]


class FarHost(AbsentProcess):
    """Implements the `Host` port for one cell; `namespace` is nobody else's."""

    def __init__(self, name: str, dispatch: Dispatch, reading: Reading, ask: Ask, show: Show, read: Read) -> None:
        self.name, self.dispatch, self.reading = name, dispatch, reading
        self._ask, self._show, self._read = ask, show, read
        self.namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
        self.state = {n: s for n, s in unpack(dispatch.state, dispatch.units).items() if not n.startswith("file:")}
        self.environ: dict[str, str] = {}
        #: The states of the random generators that cells above left, and those that the cell left.
        self.generators: dict[str, Any] = {}
        self._drawn: dict[str, bytes] = {}
        self.values: Values
        #: Why names have no value here, in words.
        self.lost: dict[str, str] = {}

    # The port

    def names(self) -> list[str]:
        """Return the names that belong to the notebook."""
        return [n for n in self.namespace if n not in ("__name__", "__builtins__")]

    async def execute(self, task: Task, audience: str, terms: Terms, step: Step | None = None) -> Ran:
        """Send the cell and bind what it left; raise WorkerError."""
        parcel, shift = self._packed(task, terms)
        answer = await self._ask(parcel)
        outputs = self._shown(answer)
        if answer.error is not None:
            name, text, lines = answer.error
            lines = moved(lines, shift)
            self._show("error", {"ename": name, "evalue": text, "traceback": lines})
            return Ran(outputs, (name, text, lines), answer.seconds)
        if answer.kept is None:
            raise self._refusal(f"{self.name} gave back nothing of what the cell left ({answer.why})")
        self._bind(pickle.loads(self._read(PICKLE, answer.kept)), step)
        return Ran(outputs, None, answer.seconds, result=any(o["msg_type"] == "execute_result" for o in outputs))

    def observed(self, candidates: Iterable[Any]) -> Observed:
        """Return that nothing was seen, which is a reason to take the results for one answer among many."""
        text = f"ran on {self.name}, which does not tell what it read: files, network, clock"
        reasons = (Reason("network", text, name=self.name),)
        # Whether it set a generator before it drew from it is not told either.
        return Observed(hidden=dict(self._drawn), drawn=frozenset(self._drawn), reasons=reasons)

    def apply(self, unit: str, state: bytes | None) -> None:
        """Note what travels: the environment and random generators; nothing else can be set."""
        if unit.startswith("env:") and state is not None:
            self.environ[unit.removeprefix("env:")] = pickle.loads(state)
        elif unit.startswith("rng:") and state is not None:
            self.generators[unit] = pickle.loads(state)

    # There

    def check(self) -> None:
        """Raise WorkerError for what the cell needs and the protocol has no place for."""
        source = self.reading.cell.source
        for name in self.state:
            if name.startswith(_STATE):
                cure = "Do that in this cell instead, or run the cell here (`# @worker local`)."
                raise self._refusal(f"{in_words(name)} was changed by a cell above", cure)
        if "_" in self.reading.analysis.reads:
            raise self._refusal("it uses `_`, the last result, which is this kernel's", "Give the result a name.")
        try:
            compile(source, "<cell>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            if self.reading.analysis.error is None:
                text = f"it is no plain Python ({error}): magics and `await` outside of functions are IPython's"
                raise self._refusal(text, "Write it as Python.") from error
        roots = {m.partition(".")[0] for m in self.reading.analysis.modules}
        roots |= {str(record["module"]).partition(".")[0] for record in self._imports()}
        if mine := sorted(roots & self._users):
            text = f"it needs your module `{mine[0]}`, and files do not travel over v1"
            raise self._refusal(text, "Define what it needs in a cell.")

    @property
    def _users(self) -> set[str]:
        """The user's own modules, by their first name."""
        return {path.partition("/")[0].removesuffix(".py") for path in self.dispatch.modules}

    def _imports(self) -> list[dict[str, Any]]:
        found = []
        for name, slot in self.state.items():
            if slot.unit.kind == "module" and not hidden(name) and slot.unit.artifact is not None:
                record = msgspec.json.decode(slot.unit.artifact.inline or b"{}", type=dict[str, Any])
                found.append({**record, "name": name})
        return found

    def _packed(self, task: Task, terms: Terms) -> tuple[Parcel, int]:
        """Return what is sent, and after which line of the cell one of ours comes."""
        definitions = {
            n: s.unit for n, s in self.state.items() if source_of(s.unit) is not None and n in self.namespace
        }
        imports = self._imports()
        here = {n: v for n, v in self.namespace.items() if n in self.names() and n not in definitions}
        values = {n: v for n, v in here.items() if not isinstance(v, types.ModuleType)}
        values = {n: v for n, v in values.items() if n not in {record["name"] for record in imports}}
        names = {id(self.namespace[n]): n for n in definitions}
        alone, together = self._parts(values, names)
        parts = list(alone)
        if together:
            packed = self._pack(together, names)
            parts.append((GIVEN, PICKLE, pickle.dumps(packed, 5)))
        roots = {m.partition(".")[0] for m in self.reading.analysis.modules}
        given = {
            "libraries": sorted(roots & {"numpy", "torch"}),
            "generators": self.generators,
            "imports": [(r["name"], r["module"], r["attribute"]) for r in imports],
            "definitions": in_order(definitions),
            "packed": GIVEN if together else None,
            "inputs": sorted({*values, *definitions}),
            "own": sorted(self.reading.analysis.definitions),
        }
        source, shift = with_ours(task.source, given)
        env = {**self.environ, **dict(terms.env)}
        mounts = [
            {"name": m.name, "uri": m.uri, "mode": m.mode, "pin": m.pin, "options": json.loads(m.options or "{}")}
            for m in terms.mounts
        ]
        return Parcel(source, parts, terms.timeout, env, mounts, KEPT), shift

    def _parts(self, values: dict[str, Any], names: Mapping[int, str]) -> tuple[list[tuple[str, str, bytes]], set[str]]:
        """Return the inputs that travel each on its own, and the names of those that must stay together."""
        alone: list[tuple[str, str, bytes]] = []
        together: set[str] = set()
        for group in self.values.group(values):
            if len(group.names) > 1 or group.reach.definitions:
                together |= set(group.names)
                continue
            name = group.names[0]
            if type(values[name]) in (type(None), bool, int, str):
                alone.append((name, JSON, json.dumps(values[name]).encode()))
            else:
                alone.append((name, PICKLE, self._pack({name}, names, bare=True)))
        covered = {n for n, _, _ in alone} | together
        for name in values.keys() - covered:  # what cannot change is in no group
            alone.append((name, PICKLE, self._pack({name}, names, bare=True)))
        return alone, together

    def _pack(self, wanted: set[str], names: Mapping[int, str], *, bare: bool = False) -> bytes:
        """Pack values and make sure that they come out as they are; raise WorkerError for those that do not."""
        values = {n: self.namespace[n] for n in sorted(wanted)}
        packed, lost = aboard.pack(values, names, self._users)
        for name, why in lost.items():
            raise self._refusal(f"`{name}` cannot be packed: {why}")
        before = {g.names: g.content for g in self.values.group(values)}
        after = {g.names: g.content for g in self.values.group(aboard.unpack(packed, self.namespace))}
        for group, content in before.items():
            if after.get(group) != content:
                shown = ", ".join(f"`{n}`" for n in group)
                raise self._refusal(f"{shown} would not be the same after it was packed")
        return pickle.dumps(values.popitem()[1], 5) if bare else bytes(packed)

    def _refusal(self, why: str, cure: str = _CURE) -> WorkerError:
        return WorkerError("travel", f"this cell cannot go to {self.name}, which speaks v1 only: {why}\n{cure}")

    # Back

    def _shown(self, answer: Answer) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = [
            {"msg_type": "stream", "content": {"name": name, "text": text}}
            for name, text in answer.streams.items()
            if text
        ]
        outputs += answer.displays or [
            self._display(*each, last=place == len(answer.shown)) for place, each in enumerate(answer.shown, 1)
        ]
        for output in outputs:
            self._show(output["msg_type"], output["content"])
        return outputs

    def _display(self, kind: str, content: bytes, preview: Any, *, last: bool) -> dict[str, Any]:
        """Return as a message what an executor tells of a display; of values, only the last can be the result."""
        if kind == PNG:
            picture = {"image/png": base64.b64encode(content).decode(), "text/plain": "<Figure>"}
            return {"msg_type": "display_data", "content": {"data": picture, "metadata": {}}}
        if kind == MARKDOWN:
            text = content.decode("utf-8", "replace")
            shown = {"text/markdown": text, "text/plain": text}
            return {"msg_type": "display_data", "content": {"data": shown, "metadata": {}}}
        data = {"text/plain": str(preview)}
        if kind in (JSON, ARROW):
            value = self._read(kind, content)
            data = {"text/plain": repr(value)}
            if kind == ARROW and callable(html := getattr(value, "_repr_html_", None)):
                data["text/html"] = str(html())
        if not last:
            return {"msg_type": "display_data", "content": {"data": data, "metadata": {}}}
        return {"msg_type": "execute_result", "content": {"data": data, "metadata": {}, "execution_count": 0}}

    def _bind(self, report: Any, step: Step | None) -> None:
        """Bind what the cell left; values that are as they were stay the objects that they are."""
        if not isinstance(report, dict):
            raise self._refusal(f"what {self.name} gave back is not what it was asked for")
        if altered := report["altered"]:
            raise self._refusal(f"the cell changes `{altered[0]}`, which is defined above", "Define it in this cell.")
        self._drawn = {unit: pickle.dumps(state, 5) for unit, state in report["generators"].items()}
        left, lost = report["left"], dict(report["lost"])
        for name in self.names():
            if name not in left and name in self.state and self.state[name].unit.kind != "module":
                del self.namespace[name]
        for name, module in self._bound_imports(report):
            self.namespace[name] = module
        made = {n: self._made(n) for n in report["made"]}
        self.namespace.update({n: v for n, v in made.items() if v is not None})
        lost |= {n: "it is made anew by its statement" for n, v in made.items() if v is None}
        try:
            found = aboard.unpack(report["payload"], self.namespace)
        except Exception as error:  # whatever a class here makes of what came from there
            found = {}
            names = set(left) - report["made"].keys() - report["modules"].keys() - self.state.keys()
            lost |= {n: f"it cannot be read here: {type(error).__name__}: {error}" for n in names}
            lost |= {n: "as above" for n in left if n in self.state and n in self.reading.analysis.stores}
        self._keep_unchanged(found)
        self.namespace.update(found)
        for name, why in lost.items():
            self.lost[name] = f"does not come back from {self.name}: {why}"
            self.namespace[name] = (None for _ in ())  # stands for what has no stored form
        if step is not None:
            same = {n for n, told in report["made"].items() if told is not None and told == aboard.shape(made[n])}
            for statement in ast.parse(self.reading.cell.source).body:
                if (
                    isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                    and statement.name in same
                ):
                    step(statement)

    def _bound_imports(self, report: Any) -> Iterable[tuple[str, Any]]:
        """Yield what the cell imported: where this machine has it not, something that stands for it."""
        imports = self.reading.analysis.imports
        for name in report["left"]:
            if name in imports:
                yield name, _imported(imports[name].module, imports[name].attribute)
            elif name in report["modules"]:
                yield name, _imported(report["modules"][name], None)

    def _made(self, name: str) -> Any:
        """Return what a definition of the cell makes here, None where it does not."""
        definition = self.reading.analysis.definitions[name]
        try:
            return self.values.define(definition.source, name, definition.line)
        except Exception:  # it rests on what is not here
            return None

    def _keep_unchanged(self, found: dict[str, Any]) -> None:
        """Take out the values that are as they were, and share nothing with others."""
        for group in self.values.group(found):
            names = set(group.names)
            if group.content is None or not names <= self.namespace.keys() or not names <= self.state.keys():
                continue
            before = self.values.group({n: self.namespace[n] for n in group.names})
            if len(before) == 1 and before[0].names == group.names and before[0].content == group.content:
                for name in names:
                    del found[name]

    def settled(self, manifest: Manifest) -> Manifest:
        """Return the record with the true reasons why values are missing."""
        units = []
        for unit in manifest.units:
            why = [self.lost[n] for n in unit.names if n in self.lost]
            if why and unit.artifact is None:
                unit = msgspec.structs.replace(unit, reason=Reason("unpicklable", f"`{unit.names[0]}` {why[0]}"))
            units.append(unit)
        return msgspec.structs.replace(manifest, units=tuple(units))


def _imported(module: str, attribute: str | None) -> Any:
    try:
        found = importlib.import_module(module)
        return found if attribute is None else getattr(found, attribute)
    except Exception:  # it is there, not here: a cell here that wants it will say so
        return types.ModuleType(module)
