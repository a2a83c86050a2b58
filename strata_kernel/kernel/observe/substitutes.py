"""Stand-ins for functions of libraries that look, pickle and fail as the originals do."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

Before = Callable[[tuple[Any, ...], dict[str, Any]], None]


class Substitute:
    """A builtin function's stand-in: no descriptor, so it does not turn into a method as a class attribute."""

    def __init__(self, original: Any, module: str) -> None:
        self.__wrapped__ = original
        self.__name__ = original.__name__
        self.__qualname__ = getattr(original, "__qualname__", original.__name__)
        self.__doc__ = original.__doc__
        self.__module__ = module
        self.__text_signature__ = getattr(original, "__text_signature__", None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original."""
        return self.__wrapped__(*args, **kwargs)

    def __reduce__(self) -> str:
        return str(self.__name__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __eq__(self, other: object) -> bool:
        return other is self or other is self.__wrapped__

    def __hash__(self) -> int:
        return hash(self.__wrapped__)


def _before(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Stand for what each shadow's own globals hold under this name."""


def _call(*args: Any, **kwargs: Any) -> Any:
    """Stand for the original, likewise."""


def _template(*args: Any, **kwargs: Any) -> Any:
    _before(args, kwargs)
    return _call(*args, **kwargs)


def shadow(original: Any, before: Before, module: str | None = None) -> FunctionType:
    """Return a function that calls `before` and then the original, and stands at the original's place in tracebacks.

    Its frame carries the library's own file and module, so warnings find the user's line as they did, and duckdb,
    which looks variables up in its caller's frame, passes over it.
    """
    name = getattr(original, "__name__", "call")
    code: CodeType = _template.__code__
    inner: CodeType | None = getattr(original, "__code__", None)
    owner = module or getattr(original, "__module__", None) or "builtins"
    code = code.replace(
        co_name=name,
        co_filename=inner.co_filename if inner is not None else f"<{owner}>",
        co_firstlineno=(inner.co_firstlineno if inner is not None else 1) - 1,
    )
    scope = {"__name__": owner, "__builtins__": __builtins__, "_before": before, "_call": original}
    result = FunctionType(code, scope, name)
    functools.update_wrapper(result, original)
    return result


def put(owner: Any, name: str, value: Any) -> bool:
    """Replace an attribute of a module or class, also where pickle would look it up; tell whether that worked."""
    original = owner.__dict__.get(name)
    try:
        setattr(owner, name, value)
    except (AttributeError, TypeError):
        return False
    home = sys.modules.get(getattr(original, "__module__", None) or "")
    if home is not None and home.__dict__.get(name) is original and original is not None:
        setattr(home, name, value)
    return True


def class_shadow(original: type, before: Before) -> type | None:
    """Return a class that makes instances of the original and passes for it, None when it cannot be derived from.

    For extension types, whose `__init__` cannot be replaced.
    """

    class Meta(type(original)):  # type: ignore[misc]
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if cls is not result:
                return super().__call__(*args, **kwargs)
            before(args, kwargs)
            return original(*args, **kwargs)

        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, original) if cls is result else bool(super().__instancecheck__(instance))

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, original) if cls is result else bool(super().__subclasscheck__(subclass))

    call = Meta.__call__
    call.__code__ = call.__code__.replace(co_filename=f"<{original.__module__}>")
    names = {"__module__": original.__module__, "__qualname__": original.__qualname__, "__doc__": original.__doc__}
    result: type | None = None
    try:
        result = Meta(original.__name__, (original,), {**names, "__slots__": (), "__wrapped__": original})
    except TypeError:
        return None
    return result
