"""Fills the template of a prompt with values of the notebook, each as text within a budget."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from strata_kernel.cells.template import FILTERS, METHODS
from strata_kernel.errors import CellError

#: What one value may take, in tokens of about four characters; rows of a table; the whole prompt in characters.
VALUE_TOKENS, ROWS, LONGEST = 2000, 50, 2_000_000
_CHARACTERS = 4 * VALUE_TOKENS


class _Sandbox(ImmutableSandboxedEnvironment):
    """Attributes and items of values, and the calls that the grammar knows; nothing else."""

    intercepted_binops = frozenset()

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow public attributes; of methods, those of frames that the grammar knows."""
        if attr.startswith("_") or not super().is_safe_attribute(obj, attr, value):
            return False
        return not callable(value) or (attr in METHODS and _frame(obj))

    def is_safe_callable(self, obj: Any) -> bool:
        """Allow the methods that `is_safe_attribute` lets through."""
        return _frame(getattr(obj, "__self__", None)) and getattr(obj, "__name__", "") in METHODS

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of a frame."""
        if not self.is_safe_callable(obj):
            raise SecurityError(f"{getattr(obj, '__name__', obj)!r} is not callable here: compute it in a Python cell")
        if obj.__name__ == "to_markdown":
            return table(obj.__self__)
        if obj.__name__ == "sample" and not {"seed", "random_state"} & kwargs.keys():
            raise SecurityError("sample() needs a seed, as in df.sample(5, seed=1): without one it is never the same")
        if obj.__name__ == "sample" and "seed" in kwargs and _module(obj.__self__) == "pandas":
            kwargs["random_state"] = kwargs.pop("seed")
        return obj(*args, **kwargs)


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the text that is sent; raise CellError naming what cannot be resolved."""
    sandbox = _Sandbox(undefined=StrictUndefined, finalize=text, keep_trailing_newline=False)
    sandbox.globals.clear()
    sandbox.filters = {name: f for name, f in sandbox.filters.items() if name in FILTERS}
    pieces: list[str] = []
    size = 0
    try:
        for piece in sandbox.from_string(template).generate(dict(values)):
            pieces.append(piece)
            size += len(piece)
            if size > LONGEST:
                raise CellError(f"the prompt is longer than {LONGEST:,} characters: show less of the values in it")
    except TemplateError as error:
        raise CellError(f"the template: {error.message}") from None
    except CellError:
        raise
    except Exception as error:  # around what attributes of the user's values do
        raise CellError(f"the template: {type(error).__name__}: {error}") from None
    found = "".join(pieces).strip()
    if not found:
        raise CellError("the prompt is empty once its values are in it")
    return found


def text(value: Any) -> Any:
    """Return a value as text of a bounded length, cut visibly."""
    if isinstance(value, StrictUndefined):
        return str(value)  # which says what is missing
    found = _text(value)
    if len(found) <= _CHARACTERS:
        return found
    return f"{found[:_CHARACTERS]}\n… (cut: {len(found) - _CHARACTERS:,} more characters)"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if _frame(value):
        return table(value)
    if _module(value) == "numpy" and hasattr(value, "shape") and value.shape:
        head = ", ".join(map(str, value.reshape(-1)[:10].tolist()))
        return f"array of shape {value.shape}, {value.dtype}: {head}{', …' if value.size > 10 else ''}"
    if isinstance(value, dict | list | tuple):
        try:
            return json.dumps(value, indent=2, ensure_ascii=False, default=str)
        except (TypeError, ValueError, RecursionError):
            return str(value)
    return str(value)


def table(frame: Any) -> str:
    """Return a frame or series as a Markdown table of at most `ROWS` rows."""
    if _module(frame) == "pandas" and not hasattr(frame, "columns"):
        frame = frame.to_frame(frame.name if frame.name is not None else "value")
    pandas = _module(frame) == "pandas"
    named = pandas and frame.index.dtype.kind not in "iu"
    shown = frame.head(ROWS)
    if pandas:
        rows = [([str(i)] if named else []) + list(map(_cell, row)) for i, row in _rows(shown)]
    else:
        rows = [list(map(_cell, row)) for row in shown.rows()]
    names = ([_cell(frame.index.name or "")] if named else []) + [_cell(c) for c in frame.columns]
    lines = ["| " + " | ".join(cells) + " |" for cells in [names, ["---"] * len(names), *rows]]
    left = len(frame) - len(rows)
    return "\n".join([*lines, f"({left:,} more rows)"] if left > 0 else lines)


def _rows(frame: Any) -> Any:
    return zip(frame.index, frame.itertuples(index=False, name=None), strict=True)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _module(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _frame(value: Any) -> bool:
    kinds: list[type] = []
    for module, names in (("pandas", ("DataFrame", "Series")), ("polars", ("DataFrame",))):
        if (found := sys.modules.get(module)) is not None:
            kinds += [getattr(found, n) for n in names]
    return isinstance(value, tuple(kinds))
