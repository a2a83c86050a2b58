"""Strata: a Jupyter kernel that serves cells from a sound, content-addressed cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strata_kernel.runner import KernelPool, Runner, RunReport

__all__ = ["KernelPool", "RunReport", "Runner", "__version__"]


def __getattr__(name: str) -> Any:
    # Lazy: the kernel imports this package too and must not pay for the runner or for reading distribution metadata.
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("strata-jupyter")
    elif name in __all__:
        from importlib import import_module

        value = getattr(import_module("strata_kernel.runner"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
