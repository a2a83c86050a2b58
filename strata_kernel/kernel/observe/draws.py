"""Libraries with generators of their own, whose state nobody can read or set: who draws from them is told."""

from __future__ import annotations

import re
from functools import partial
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from strata_kernel.kernel.observe import active, frames
from strata_kernel.kernel.observe.recording import Recording
from strata_kernel.kernel.observe.substitutes import put, shadow

if TYPE_CHECKING:
    from strata_kernel.kernel.observe.imports import ImportHooks

#: What of polars draws where it is given no seed.
_DRAWING = ("Expr.sample", "Expr.shuffle", "Series.sample", "Series.shuffle", "DataFrame.sample")
_SEED = re.compile(r"\bsetseed\s*\(", re.IGNORECASE)
_DRAW = re.compile(
    r"\b(?:random|uuid|uuidv4|uuidv7|gen_random_uuid)\s*\(|\b(?:using\s+sample|tablesample)\b", re.IGNORECASE
)

#: The libraries that were given a seed in this process: what they draw since then is determined.
_seeded: set[str] = set()


def statement(recording: Recording, text: str) -> None:
    """Note a statement of DuckDB's common connection that seeds its generator or draws from it."""
    if _SEED.search(text):
        _seeded.add("duckdb")
        _drawn(recording, "duckdb")
    elif _DRAW.search(text):
        _note(recording, "duckdb", active.caller(4))


def install(hooks: ImportHooks) -> None:
    """Wrap what draws, now or once polars is loaded."""
    hooks.after("polars", _wrap)


def _wrap(polars: ModuleType) -> None:
    for dotted in _DRAWING:
        first, _, method = dotted.partition(".")
        owner: Any = getattr(polars, first, None)
        original = getattr(owner, method, None)
        if original is not None:
            put(owner, method, shadow(original, partial(_before, place=1 if method == "shuffle" else 9)))
    put(polars, "set_random_seed", shadow(polars.set_random_seed, lambda args, kwargs: _seeded.add("polars")))


def _before(args: tuple[Any, ...], kwargs: dict[str, Any], place: int) -> None:
    seed = kwargs.get("seed", args[place] if len(args) > place else None)
    if active.recording is not None and seed is None:
        active.note(_note, "polars", active.caller(2))


def _note(recording: Recording, library: str, frame: FrameType | None) -> None:
    frame = frames.beyond_packages(frame, {library})
    if frame is None or not frames.is_users(frame, recording.namespace):
        return
    if library in _seeded:
        _drawn(recording, library)
    else:
        line = frame.f_lineno if frames.is_notebook(frame, recording.namespace) else None
        recording.reason("entropy", f"draws unseeded randomness from {library}", library, line)


def _drawn(recording: Recording, library: str) -> None:
    recording.reason("effect", f"moves the generator of {library} on", f"draw:{library}")
