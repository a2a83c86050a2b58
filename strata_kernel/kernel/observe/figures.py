"""Figures that pyplot keeps open: with most backends its calls work on the last one, whichever cell made it."""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType
from typing import Any, NoReturn

from strata_kernel.codecs.refuse import open_figures
from strata_kernel.domain.state import FIGURES
from strata_kernel.kernel.observe import active
from strata_kernel.kernel.observe.imports import ImportHooks
from strata_kernel.kernel.observe.probes import ABSENT, Probe, Values
from strata_kernel.kernel.observe.recording import Recording
from strata_kernel.kernel.observe.substitutes import shadow

_HELPERS = "matplotlib._pylab_helpers"


class _Open:
    """Which figures are open, in their order; nothing but their cells brings them."""

    def __init__(self, figures: list[Any]) -> None:
        self._figures = figures

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Open) and list(map(id, other._figures)) == list(map(id, self._figures))

    def __hash__(self) -> int:
        return hash(tuple(map(id, self._figures)))

    def __reduce__(self) -> NoReturn:
        raise TypeError("figures stay in their process")


def _read() -> Values:
    figures = open_figures()
    return {"figures": _Open(figures)} if figures else {}


def _write(values: Values) -> None:
    if values.get("figures") == ABSENT:
        close()


def close() -> None:
    """Let pyplot forget its figures; who holds one keeps it."""
    helpers = sys.modules.get(_HELPERS)
    if helpers is not None:
        helpers.Gcf.figs.clear()


#: The open figures as state of the process.
PROBE = Probe(FIGURES, _HELPERS, _read, _write)


def _use(recording: Recording, managers: Any, args: tuple[Any, ...]) -> None:
    manager = managers.get(args[0]) if args else next(reversed(managers.values()), None)
    if manager is not None and id(manager.canvas.figure) in recording.figures:
        recording.reason("introspection", "works on a figure that a cell above left open in pyplot", name=FIGURES)


def _before(helpers: ModuleType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if active.recording is not None:
        active.note(_use, helpers.Gcf.figs, (*args[1:], *kwargs.values()))


def _wrap(helpers: ModuleType) -> None:
    owner = helpers.Gcf
    for name in ("get_active", "get_fig_manager"):
        setattr(owner, name, classmethod(shadow(vars(owner)[name].__func__, partial(_before, helpers))))


def install(hooks: ImportHooks) -> None:
    """Watch pyplot, now or once it is loaded."""
    hooks.after(_HELPERS, _wrap)
