"""Runs one cell of a client that speaks the published protocol: its inputs are bound, what it leaves is written."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from strata_kernel.codecs import published
from strata_kernel.domain.cell import Cell, Task
from strata_kernel.domain.published import Errand, Input, Shown, Variable
from strata_kernel.kernel.guest import Emit, GuestHost, GuestKernel
from strata_kernel.kernel.mounting import Mounting
from strata_kernel.kernel.observe.watch import Watch
from strata_kernel.mounts.mounts import Mounts, beside
from strata_kernel.store import LocalStore
from strata_kernel.world.places import local_roots
from strata_kernel.world.world import LocalWorld

#: What an input is reported as that cannot be read.
UNREADABLE = "InputError"


class ErrandGuest:
    """One errand in this process."""

    def __init__(self, kernel: GuestKernel, errand: Errand, store: LocalStore, emit: Emit) -> None:
        self.kernel, self.errand, self.store, self.emit = kernel, errand, store, emit
        here = os.getcwd()
        self.host = GuestHost(kernel, Watch(LocalWorld(local_roots(here), start=here), [str(store.path)]), here, here)
        self.host.mounting = Mounting(kernel, Mounts(beside(store.path), errand.terms.mounts, os.environ))
        kernel.listen(emit)
        self.variables: list[Variable] = []

    async def run(self) -> None:
        """Run the cell and tell the end."""
        self.kernel.ready()
        begun = time.perf_counter()
        outputs: list[dict[str, Any]] = []
        try:
            for each in self.errand.inputs:
                self.host.namespace[each.name] = self._input(each)
        except BaseException as failure:  # what a pickle holds may raise anything, or want to end the process
            text = f"the input `{each.name}` cannot be read: {type(failure).__name__}: {failure}"
            error = (UNREADABLE, text, [f"{UNREADABLE}: {text}"])
        else:
            before = {n: self.host.namespace[n] for n in self.host.names()}
            task = Task(Cell(self.errand.id, self.errand.source), self.errand.source)
            ran = await self.host.execute(task, "client", self.errand.terms)
            outputs, found = ran.outputs, ran.error
            error = found or ("", "", [])
            if found is None:
                self._written(before, result=ran.result)
        shown = Shown(outputs, self.variables, error if error[0] else None)
        self.emit({"t": "end", "shown": shown, "seconds": time.perf_counter() - begun})

    def _input(self, each: Input) -> Any:
        injected = {i.name: self._input(i) for i in each.injected}
        return published.read(each.format, self.store.get(each.content), injected)

    def _written(self, before: dict[str, Any], *, result: bool) -> None:
        """Write what the cell bound, bound anew, or is asked to give back as it left it."""
        namespace = self.host.namespace
        for name in self.host.names():
            new = name not in before or namespace[name] is not before[name]
            if not name.startswith("_") and (new or name in self.errand.changes):
                self._write(name, namespace[name])
        if result:
            self._write("_", self.kernel.shell.displayhook._)

    def _write(self, name: str, value: Any) -> None:
        try:
            kind, content, about = published.write(value)
            blob = self.store.put([content])
        except Exception as error:  # whatever the value makes of being pickled
            about = {"type": type(value).__name__}
            with contextlib.suppress(Exception):
                self.variables.append(Variable(name, about=about, error=f"{error}" or type(error).__name__))
            return
        self.variables.append(Variable(name, kind, blob, about))
