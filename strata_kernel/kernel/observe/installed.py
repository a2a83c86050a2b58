"""Questions to `importlib.metadata`: the version of a distribution that the user's code asks for is an input."""

from __future__ import annotations

from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from strata_kernel.kernel.observe import active, frames
from strata_kernel.kernel.observe.recording import Recording
from strata_kernel.kernel.observe.substitutes import put, shadow

if TYPE_CHECKING:
    from strata_kernel.kernel.observe.imports import ImportHooks


def install(hooks: ImportHooks) -> None:
    """Wrap the function behind all such questions, now or once it is there."""
    hooks.after("importlib.metadata", _wrap)


def _wrap(metadata: ModuleType) -> None:
    put(metadata, "distribution", shadow(metadata.distribution, _before))


def _before(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    name = args[0] if args else kwargs.get("distribution_name")
    if active.recording is not None and isinstance(name, str):
        active.note(_asked, name, active.caller(2))


def _asked(recording: Recording, name: str, frame: FrameType | None) -> None:
    frame = frames.beyond(frame, {"importlib.metadata"})
    if frames.is_users(frame, recording.namespace):
        recording.distributions.add(name)
