"""Writes notebooks with the outputs of a run, atomically."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from strata_kernel.engine.outputs import outputs_of
from strata_kernel.engine.session import Entry
from strata_kernel.errors import InvocationError
from strata_kernel.ports import Store
from strata_kernel.runner.notebook import Notebook, code_ids


def load(notebook: Notebook) -> Any:
    """Return the notebook in nbformat 4."""
    try:
        return nbformat.read(str(notebook.path), as_version=4)
    except Exception as error:
        raise InvocationError(f"{notebook.path}: is no notebook: {error}") from error


def write_served(notebook: Notebook, entries: Iterable[Entry], store: Store, output: Path) -> None:
    """Write a notebook all of whose cells were served."""
    from strata_kernel.kernel.outputs import as_notebook

    content = load(notebook)
    by_id = {e.reading.cell.id: e.manifest for e in entries}
    count = 0
    shown: dict[str, list[Any]] = {}
    for cell_id, cell in code_ids(content):
        manifest = by_id.get(cell_id)
        cell.outputs = []
        if manifest is None:
            cell.execution_count = None
            continue
        count += 1
        cell.execution_count = count
        outputs = outputs_of(manifest, store)
        for message, entry in _paired(outputs, as_notebook(outputs, count)):
            cell.outputs.append(nbformat.from_dict(entry))
            if (name := message["content"].get("transient", {}).get("display_id")) is not None:
                shown.setdefault(name, []).append(cell.outputs[-1])
        for message in outputs:
            if message["msg_type"] == "update_display_data":
                for entry in shown.get(message["content"]["transient"]["display_id"], []):
                    entry["data"] = nbformat.from_dict(message["content"]["data"])
                    entry["metadata"] = nbformat.from_dict(message["content"].get("metadata", {}))
    write(content, output)


def _paired(outputs: list[dict[str, Any]], entries: list[dict[str, Any]]) -> Iterable[tuple[Any, Any]]:
    return zip((o for o in outputs if o["msg_type"] != "update_display_data"), entries, strict=True)


def write(content: Any, output: Path) -> None:
    """Write a notebook through a temporary file, so that a failure leaves the old one."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=".strata-", suffix=".ipynb")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            nbformat.write(content, file)
        if output.exists():
            os.chmod(temporary, output.stat().st_mode & 0o777)
        else:
            os.chmod(temporary, 0o644)
        os.replace(temporary, output)
    except OSError as error:
        raise InvocationError(f"{output}: cannot be written: {error.strerror}") from error
