"""Where performers work: they are called by the shell, as if the cell were Python, so that all that it does holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from strata_kernel.domain.cell import Task
from strata_kernel.kernel.observe import active
from strata_kernel.ports import Done, Performer

if TYPE_CHECKING:
    from strata_kernel.kernel.kernel import StrataKernel

#: What the shell calls; IPython takes names like this for its own.
_CALL = "__strata__"


class KernelStage:
    """The notebook's variables and the page; implements the `Stage` port."""

    def __init__(self, kernel: StrataKernel) -> None:
        self.kernel = kernel
        self.namespace: dict[str, Any] = kernel.shell.user_ns
        #: Who runs cells of other kinds than Python, by kind.
        self.performers: dict[str, Performer] = {}
        self.forced = False
        self._done: Done | None = None

    @contextmanager
    def set(self, task: Task) -> Iterator[str]:
        """Yield what the shell is to run: the source, or a call of the performer of its kind."""
        performer = self.performers.get(task.kind)
        if performer is None:
            yield task.source
            return

        def call() -> Any:
            # What a performer depends on it says itself.
            with active.exempt():
                done = self._done = performer.run(task, self)
            self.namespace.update(done.binds)
            return done.shown

        self.namespace[_CALL] = call
        try:
            yield f"{_CALL}()"
        finally:
            self.namespace.pop(_CALL, None)

    def take(self) -> Done | None:
        """Return what the last performer made, once."""
        done, self._done = self._done, None
        return done

    def show(self, bundle: dict[str, Any], display: str, *, update: bool) -> None:
        """Show a MIME bundle of the cell that runs."""
        kind = "update_display_data" if update else "display_data"
        content = {"data": bundle, "metadata": {}, "transient": {"display_id": display}}
        kernel = self.kernel
        parent, topic = kernel.get_parent("shell"), kernel.topic(kind)
        kernel.session.send(kernel.iopub_socket, kind, content, parent=parent, ident=topic)
