"""The global random generators: their states, and whether a cell sets one before it draws from it."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from strata_kernel.executors.aboard import live, plain
from strata_kernel.kernel.observe import active
from strata_kernel.kernel.observe.substitutes import Substitute, put, shadow

if TYPE_CHECKING:
    from strata_kernel.kernel.observe.imports import ImportHooks
    from strata_kernel.kernel.observe.recording import Recording


def _of_numpy() -> Any:
    module = sys.modules.get("numpy.random")
    get = getattr(module, "get_state", None)
    get = getattr(get, "__wrapped__", get)
    return None if get is None else plain(get(legacy=False))


def _to_numpy(state: Any) -> None:
    # Not `numpy.random`: while the module is being imported, its package has no such attribute.
    sys.modules["numpy.random"].set_state(live(state))


def _of_torch() -> Any:
    torch = sys.modules.get("torch")
    get = getattr(torch, "get_rng_state", None)
    if get is None:
        return None
    states = [get().numpy().tobytes()]
    cuda = getattr(torch, "cuda", None)
    if cuda is not None and cuda.is_initialized():
        states.extend(state.numpy().tobytes() for state in cuda.get_rng_state_all())
    return tuple(states)


def _to_torch(state: Any) -> None:
    import torch

    tensors = [torch.frombuffer(bytearray(part), dtype=torch.uint8) for part in state]
    torch.set_rng_state(tensors[0])
    if len(tensors) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(tensors[1:])


#: How to read and to set each generator; reading gives None while its library is not loaded.
GENERATORS: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "rng:random": (random.getstate, lambda state: random.setstate(state)),
    "rng:numpy": (_of_numpy, _to_numpy),
    "rng:torch": (_of_torch, _to_torch),
}


def states() -> dict[str, Any]:
    """Return the states of the generators that are loaded."""
    found = {unit: read() for unit, (read, _) in GENERATORS.items()}
    return {unit: state for unit, state in found.items() if state is not None}


def reseed(recording: Recording, unit: str) -> None:
    """Note that a generator is about to be set."""
    recording.set_generators.add(unit)
    if unit in recording.reseeded:
        return
    if GENERATORS[unit][0]() == recording.generators.get(unit):
        recording.reseeded.add(unit)


def ask(recording: Recording, unit: str) -> None:
    """Note that the state of a generator is read: unless the cell has set it, it is what cells above left."""
    if unit not in recording.reseeded:
        recording.asked.add(unit)


def loaded(unit: str) -> None:
    """Take the state of a generator that came with its library in the midst of a cell as the one before any draw."""
    if active.recording is not None:
        active.recording.generators[unit] = GENERATORS[unit][0]()


class _Setter(Substitute):
    unit = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original and note that the generator is set, unless it is set from entropy."""
        if active.recording is not None and (args or kwargs) and (not args or args[0] is not None):
            active.note(reseed, self.unit)
        return self.__wrapped__(*args, **kwargs)


class _Getter(Substitute):
    unit = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original and note that the state is read."""
        if active.recording is not None:
            active.note(ask, self.unit)
        return self.__wrapped__(*args, **kwargs)


def _wrap_numpy(module: ModuleType) -> None:
    getter = _Getter(module.get_state, module.__name__)
    getter.unit = "rng:numpy"
    module.get_state = getter  # type: ignore[attr-defined]
    for name in ("seed", "set_state"):
        setter = _Setter(getattr(module, name), module.__name__)
        setter.unit = "rng:numpy"
        setattr(module, name, setter)
    loaded("rng:numpy")
    mtrand = sys.modules.get("numpy.random.mtrand")
    if hasattr(mtrand, "_MT19937"):
        mtrand._MT19937 = _unseen(mtrand._MT19937)  # type: ignore[union-attr]


def _unseen(generator: type) -> type:
    """Return a stand-in for the generator class whose instances are made out of sight.

    RandomState(seed) first makes a generator from entropy and then seeds it: that entropy is never used.
    RandomState() without a seed is told by its syntax.
    """

    class Unseen(type):
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            with active.exempt():
                return generator(*args, **kwargs)

        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, generator)

    return Unseen(generator.__name__, (), {})


def _wrap_torch(module: ModuleType) -> None:
    def before(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if active.recording is not None:
            active.note(reseed, "rng:torch")

    for name in ("manual_seed", "set_rng_state"):
        put(module, name, shadow(getattr(module, name), before))
    loaded("rng:torch")


def install(hooks: ImportHooks) -> None:
    """Wrap the functions that set the generators, now or once their libraries are loaded."""
    hooks.after("numpy.random", _wrap_numpy)
    hooks.after("torch", _wrap_torch)
