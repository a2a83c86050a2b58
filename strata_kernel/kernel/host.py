"""The process that runs cells: IPython's shell and namespace, seen through the engine's port."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import pkgutil
import sys
import time
import types
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from itertools import compress, repeat
from operator import is_not
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from strata_kernel.cells.loop import TEST
from strata_kernel.domain.cell import Cell, Task
from strata_kernel.domain.dispatch import Away
from strata_kernel.domain.state import LAST_RESULT, VERDICT
from strata_kernel.domain.terms import Terms
from strata_kernel.errors import MountError
from strata_kernel.kernel import streams
from strata_kernel.kernel.interrupt import NAMES
from strata_kernel.kernel.mounting import Mounting
from strata_kernel.kernel.observe.watch import Watch
from strata_kernel.kernel.outputs import SHOWN, Recorder
from strata_kernel.kernel.relay import cancelling
from strata_kernel.kernel.stage import KernelStage
from strata_kernel.kernel.terms import CellTimeout, Limit, environment, over
from strata_kernel.ports import Modules, Observed, Patch, Ran, Show, Step

if TYPE_CHECKING:
    from strata_kernel.kernel.kernel import StrataKernel

#: What Python and IPython themselves put beside a user's names, to no one's surprise.
_ASIDE = frozenset({"_exit_code", "__annotations__", "__builtins__", "__warningregistry__"})


class Failure(NamedTuple):
    """Where and how a cell failed that was run on behalf of another; the line counts from 1, 0 is unknown."""

    cell: Cell
    line: int
    traceback: list[str]


_ABSENT = object()
_RESULTS = ("_", "__", "___")


class IPythonHost:
    """Runs a cell as ipykernel does and records what it shows."""

    def __init__(self, kernel: StrataKernel, watch: Watch) -> None:
        self.kernel = kernel
        self.watch = watch
        self.modules: Modules = watch.modules
        self.namespace: dict[str, Any] = kernel.shell.user_ns
        #: What the shell itself has bound.
        self.initial = dict(self.namespace)
        self.given: frozenset[str] = frozenset()
        #: Names that a frontend bound by silent requests: not the notebook's.
        self.foreign: set[str] = set()
        #: The execution counts under which cells were served, by id.
        self.counts: dict[str, int] = {}
        self.request: dict[str, Any] = {"silent": False, "store_history": True, "allow_stdin": False}
        #: The ids of the cells whose code is running now.
        self.running: list[str] = []
        self.failure: Failure | None = None
        #: Whether the client's own cell was executed in this request.
        self.executed = False
        #: What it executed stands in no history yet and was not counted.
        self.uncounted = False
        self._verdict: bytes | None = None
        #: The user asked for the cell anew that the client waits for.
        self.anew = False
        self.stage = KernelStage(kernel)
        self._recorder: Recorder | None = None
        self._request_id: str | None = None
        self._audience = "client"
        self._limit: Limit | None = None
        #: Variables that the cell which is observed has for itself: in its program, so no facts about the world.
        self._own: frozenset[str] = frozenset()
        streams.lighten()
        self.mounting = Mounting(kernel)
        watch.modules.shown = self._shown
        self._send = kernel.session.send
        kernel.session.send = self._intercept

    def names(self) -> list[str]:
        """Return the names of the namespace that belong to the notebook."""
        names, values = list(self.namespace), list(self.namespace.values())
        for bound in (self.kernel.shell.user_ns_hidden, self.initial):
            # Asked many times a cell of all that IPython keeps of the session: without a step of Python for each.
            theirs = list(map(is_not, values, map(bound.get, names, repeat(_ABSENT))))
            names, values = list(compress(names, theirs)), list(compress(values, theirs))
        return [n for n in names if n not in self.foreign and n not in _ASIDE]

    def _intercept(self, stream: Any, message: Any, content: Any = None, *args: Any, **kwargs: Any) -> Any:
        # Wrapping the session sees displays, streams, errors, threads and subshells alike, while they stream on.
        recorder = self._recorder
        if recorder is not None:
            kind = message["header"]["msg_type"] if isinstance(message, dict) else message
            if kind in SHOWN or kind == "comm_open":
                if isinstance(message, dict):
                    body, parent = message["content"], message["parent_header"]
                else:
                    body, parent = content, args[0] if args else kwargs.get("parent")
                if self._is_current(parent):
                    if kind == "error" and self._limit is not None and self._limit.expired:
                        body = over(self._limit, body)
                        if isinstance(message, dict):
                            message = {**message, "content": body}
                        else:
                            content = body
                    recorder.add(kind, body)
                    if self._audience != "client" and kind in SHOWN:
                        return None
        return self._send(stream, message, content, *args, **kwargs)

    def _is_current(self, parent: Any) -> bool:
        if not parent:
            return True
        header = parent.get("header", parent)
        return bool(header.get("msg_id") == self._request_id)

    @contextmanager
    def _recording(self, audience: str) -> Iterator[Recorder]:
        # Threads and subshells have requests of their own: what they send is told apart by the id.
        self._request_id = self.kernel.current_message_id
        streams.address(self.kernel.shell.parent_header)
        recorder = self._recorder = Recorder()
        self._audience = audience
        try:
            yield recorder
        finally:
            streams.flush()
            self._recorder = None
            self._audience = "client"

    def _shown(self) -> int:
        """Return how many messages have shown something of what runs now."""
        streams.flush()
        return self._recorder.heard if self._recorder is not None else 0

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Drop what the current request shows."""
        former = self._recorder, self._audience, self._request_id
        try:
            with self._recording("nobody"):
                yield
        finally:
            self._recorder, self._audience, self._request_id = former

    async def execute(self, task: Task, audience: str, terms: Terms, step: Step | None = None) -> Ran:
        """Run the task's source; for audiences other than the client nothing of it reaches the page."""
        cell, request = task.cell, dict(self.request)
        if task.part or task.kind in self.stage.performers:
            # The request is counted once, as what the user wrote.
            request["store_history"] = False
        self._own = frozenset(name for name, _ in terms.env)
        # Whoever steps through a cell takes the time it takes.
        seconds = None if self.kernel.has_breakpoints else terms.timeout
        self._limit = Limit(seconds, self.namespace, self.kernel.wake)
        if audience != "client":
            request |= {"silent": False, "store_history": False, "allow_stdin": False}
        self.stage.forced = self.anew and audience == "client"
        self._show_results(self.namespace)
        former, line = getattr(sys, "last_traceback", None), 0
        with (
            self._recording(audience) as recorder,
            self._code_of(cell),
            self._counted(cell, audience),
            self.stage.set(task) as source,
        ):
            start = time.perf_counter()
            try:
                with (
                    self.kernel.interrupts.released(),
                    as_input(self.kernel.shell, source, stored=bool(request["store_history"])),
                    told(self.kernel.shell, step),
                    environment(dict(terms.env)),
                    self._limit.watching(),
                    self.mounting.bound(terms, self.namespace),
                ):
                    reply = await self.kernel.execute_plainly(source, **request)
                    reply = self.mounting.finish(reply)
            except (KeyboardInterrupt, CellTimeout):
                # It came before the shell had taken over, or after.
                reply = self.kernel.fail("KeyboardInterrupt", "")
            except MountError as trouble:
                reply = self.kernel.fail("MountError", str(trouble))
            seconds = time.perf_counter() - start
            reply = over(self._limit, reply)
        if TEST in self.namespace:
            self._verdict = b"1" if self.namespace.pop(TEST) else b""
        error = None
        if reply["status"] != "ok":
            error = (reply.get("ename", ""), reply.get("evalue", ""), reply.get("traceback", []))
            line = _failing_line(self.namespace, former)
        if audience == "client":
            self.kernel.plain_reply = reply
            self.executed, self.uncounted = True, not request["store_history"]
        elif error is not None:
            self.failure = Failure(cell, line, error[2])
            # The user meant all of it to stop, not just this cell.
            self.kernel.interrupts.pending |= error[0] in NAMES
        return Ran(recorder.outputs, error, seconds, recorder.live, recorder.result, line)

    def replay(self, outputs: list[dict[str, Any]]) -> None:
        """Show the client what a part of its cell showed when it ran."""
        self.kernel.show_again(outputs)

    async def relay(self, cell: Cell, audience: str, run: Callable[[Show], Awaitable[Away]]) -> Away:
        """Show a run in another place as the cell's own; an interrupt cancels it."""
        kernel, count = self.kernel, self.kernel.shell.execution_count

        def show(kind: str, content: dict[str, Any]) -> None:
            if kind == "progress":
                kernel.bridge.moved(content)
                return
            if kind == "execute_result":
                content = {**content, "execution_count": count}
            kernel.show(kind, content)

        with self._recording(audience) as recorder, self._code_of(cell), kernel.interrupts.released():
            task = asyncio.ensure_future(run(show))
            with cancelling(task):
                try:
                    away = await task
                except asyncio.CancelledError:
                    away = Away(error=("KeyboardInterrupt", "", []))
        if audience == "client":
            self.executed = True
            kernel.count(cell.source, self.request)
            shown = any(o["msg_type"] == "error" for o in recorder.outputs)
            kernel.plain_reply = kernel.told(away.error, count, shown=shown)
        elif away.error is not None:
            self.failure = Failure(cell, 0, away.error[2])
            kernel.interrupts.pending |= away.error[0] in NAMES
        return msgspec.structs.replace(away, outputs=recorder.outputs)

    @contextmanager
    def _counted(self, cell: Cell, audience: str) -> Iterator[None]:
        """Record the result of a cell that runs for its values alone under the count with which it was served."""
        shell = self.kernel.shell
        count = shell.execution_count
        if audience == "nobody" and cell.id in self.counts:
            # From IPython 9 on the count runs ahead of the result's.
            shell.execution_count = self.counts[cell.id] + count - shell.displayhook.prompt_count
        try:
            yield
        finally:
            if audience == "nobody":
                shell.execution_count = count

    def _show_results(self, taken: Container[str]) -> None:
        """Bind the names of the last results to what IPython keeps, but for those that the notebook has taken."""
        shell = self.kernel.shell
        names = [n for n in _RESULTS if n not in taken]
        if names:
            shell.push({n: getattr(shell.displayhook, n) for n in names}, interactive=False)

    @contextmanager
    def _code_of(self, cell: Cell) -> Iterator[None]:
        bridge = self.kernel.bridge
        self.running.append(cell.id)
        engaged, bridge.engaged = bridge.engaged, False
        try:
            yield
        finally:
            self.running.pop()
            bridge.engaged = engaged

    def observe(self) -> None:
        """Start to record what the process does."""
        self.watch.start(self.namespace)

    def observed(self, candidates: Iterable[Any]) -> Observed:
        """Stop recording and return what was seen."""
        seen = self.mounting.told(self.watch.stop(self.mounting.candidates(candidates)))
        if (done := self.stage.take()) is not None:
            seen.facts += done.facts
            seen.reasons += done.reasons
            seen.hidden |= done.hidden
        if self._verdict is not None:
            seen.hidden[VERDICT], self._verdict = self._verdict, None
        seen.facts = tuple(f for f in seen.facts if f.kind != "env" or f.name not in self._own)
        return seen

    def installed(self) -> dict[str, Any]:
        """Return what cells have put where the process calls it or writes to it, by what a person calls the place."""
        return self.watch.process.installed()

    def patch(self, module: str, path: str) -> Patch | None:
        """Return what stands at a dotted path below a module (or an attribute of one), None when it cannot be told."""
        *way, name = path.split(".")
        if not self.watch.modules.can_load(module.partition(":")[0]):
            return None
        try:
            with self.quietly():
                holder = pkgutil.resolve_name(module)
            for part in way:
                holder = getattr(holder, part)
            return Patch(holder, name, vars(holder).get(name, _ABSENT))
        except Exception:  # whatever the library's attributes do when they are looked at
            return None

    def unpatch(self, patch: Patch) -> None:
        """Put back what stood there."""
        with contextlib.suppress(Exception):  # as above
            if isinstance(patch.holder, dict):
                patch.holder[patch.name] = patch.value
            elif patch.value is _ABSENT:
                delattr(patch.holder, patch.name)
            else:
                setattr(patch.holder, patch.name, patch.value)

    def apply(self, unit: str, state: bytes | None) -> None:
        """Set a hidden unit of the process."""
        if unit != LAST_RESULT:
            with self.quietly():
                self.watch.apply(unit, state)
            return
        hook = self.kernel.shell.displayhook
        hook._ = hook.__ = hook.___ = ""
        self._show_results(self.names())


def _failing_line(namespace: dict[str, Any], former: types.TracebackType | None) -> int:
    """Return the cell's own line in the traceback that the shell showed last, 0 when none came after the former."""
    trace = getattr(sys, "last_traceback", None)
    trace = None if trace is former else trace
    while trace is not None:
        if trace.tb_frame.f_globals is namespace and trace.tb_frame.f_code.co_name == "<module>":
            return int(trace.tb_lineno)
        trace = trace.tb_next
    return 0


@contextmanager
def told(shell: Any, step: Step | None) -> Iterator[None]:
    """Tell of each statement that the shell has run."""
    if step is None:
        yield
        return
    nodes, code = shell.run_ast_nodes, shell.run_code
    to_run: list[Iterator[ast.stmt]] = []

    async def run_ast_nodes(statements: list[ast.stmt], *args: Any, **kwargs: Any) -> Any:
        to_run.append(iter(list(statements)))
        try:
            return await nodes(statements, *args, **kwargs)
        finally:
            to_run.pop()

    async def run_code(*args: Any, **kwargs: Any) -> Any:
        failed = await code(*args, **kwargs)
        statement = next(to_run[-1], None) if to_run else None
        if statement is not None and not failed:
            step(statement)
        return failed

    shell.run_ast_nodes, shell.run_code = run_ast_nodes, run_code
    try:
        yield
    finally:
        del shell.run_ast_nodes, shell.run_code


@contextmanager
def as_input(shell: Any, source: str, *, stored: bool) -> Iterator[None]:
    """Let the shell take the source for its last input."""
    # The shell looks at the last input of its history for a semicolon that hides the result.
    history = getattr(shell.history_manager, "input_hist_parsed", None)
    if stored or history is None:
        yield
        return
    try:
        text = shell.transform_cell(source)
    except SyntaxError:
        text = ""
    history.append(text)
    try:
        yield
    finally:
        history.pop()
