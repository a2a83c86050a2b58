"""IPython's syntax to Python's, without a shell."""

from __future__ import annotations

from IPython.core.inputtransformer2 import TransformerManager

_TRANSFORMER = TransformerManager()


def transform(source: str) -> str:
    """Return the cell as Python; raises SyntaxError for what IPython cannot read either."""
    return str(_TRANSFORMER.transform_cell(source))
