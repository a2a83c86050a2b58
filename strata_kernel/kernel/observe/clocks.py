"""Clocks and entropy: calls after which a cell need not give the same answer again."""

from __future__ import annotations

import os
import random
import time
import uuid
from types import FrameType
from typing import Any

from strata_kernel.kernel.observe import active, frames, generators
from strata_kernel.kernel.observe.recording import Recording
from strata_kernel.kernel.observe.substitutes import Substitute, shadow

_CLOCKS = (
    "time", "time_ns", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "process_time",
    "process_time_ns",
    "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns",
)  # fmt: skip
#: These read the clock only when called without the time that they are to format; the number is how many they may take.
_DEFAULTS = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}
#: Libraries that draw entropy on behalf of who asked them for a generator or an identifier.
_DRAWING = frozenset(
    {"random", "secrets", "uuid", "numpy", "scipy", "sklearn", "pandas", "statsmodels", "networkx", "faker"}
)


_SOURCES: tuple[tuple[Any, str, str], ...] = (
    (os, "urandom", "os"),
    (os, "getrandom", "os"),
    (random, "_urandom", "random"),
    (uuid, "_generate_time_safe", "uuid"),
)


class Clock(Substitute):
    """A function of `time`."""

    #: The number of arguments up to which the call reads the clock.
    most: int = 9

    def __call__(self, *args: Any) -> Any:
        """Call the original and note who asked."""
        if active.recording is not None and len(args) <= self.most:
            active.note(_read_clock, self.__name__, active.caller(1))
        return self.__wrapped__(*args)


class Entropy(Substitute):
    """A source of randomness of the operating system."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original and note on whose behalf."""
        if active.recording is not None:
            active.note(_read_entropy, self.__name__, active.caller(1))
        return self.__wrapped__(*args, **kwargs)


def _read_clock(recording: Recording, name: str, frame: FrameType | None) -> None:
    if frames.is_users(frame, recording.namespace) and frame is not None:
        _because(recording, "clock", f"reads the clock by time.{name}()", f"time.{name}", frame)


def _read_entropy(recording: Recording, name: str, frame: FrameType | None) -> None:
    frame = frames.beyond_packages(frame, _DRAWING)
    if frame is not None and frames.is_users(frame, recording.namespace):
        _because(recording, "entropy", "draws unseeded randomness", name.lstrip("_"), frame)


def _because(recording: Recording, code: str, text: str, name: str, frame: FrameType) -> None:
    if frames.is_notebook(frame, recording.namespace):
        recording.reason(code, f"{text} at line {frame.f_lineno}", name, frame.f_lineno)
    else:
        recording.reason(code, f"{text} in {frames.module_of(frame)}, line {frame.f_lineno}", name)


def _before_seed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if active.recording is None:
        return
    if (args[1] if len(args) > 1 else kwargs.get("a")) is None:
        active.note(_read_entropy, "random.seed", active.caller(2))
    elif args[0] is random._inst:
        active.note(generators.reseed, "rng:random")


def _before_setstate(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if active.recording is not None and args[0] is random._inst:
        active.note(generators.reseed, "rng:random")


def _before_getstate(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if active.recording is not None and args[0] is random._inst:
        active.note(generators.ask, "rng:random")


def install() -> None:
    """Put the stand-ins into `time`, `os`, `random` and `uuid`."""
    for name in (*_CLOCKS, *_DEFAULTS):
        original = getattr(time, name, None)
        if original is not None and not isinstance(original, Clock):
            clock = Clock(original, "time")
            clock.most = _DEFAULTS.get(name, 9)
            setattr(time, name, clock)
    for owner, name, module in _SOURCES:
        original = getattr(owner, name, None)
        if original is not None and not isinstance(original, Entropy):
            source = Entropy(original, module)
            # Pickle finds a function under its own name in its module.
            source.__name__ = name
            setattr(owner, name, source)
    if not hasattr(random.Random.seed, "__wrapped__"):
        random.Random.seed = shadow(random.Random.seed, _before_seed)  # type: ignore[method-assign]
        random.Random.setstate = shadow(random.Random.setstate, _before_setstate)  # type: ignore[method-assign]
        random.Random.getstate = shadow(random.Random.getstate, _before_getstate)  # type: ignore[method-assign]
        random.getstate = random._inst.getstate
        random.seed = random._inst.seed
        random.setstate = random._inst.setstate
