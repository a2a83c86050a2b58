"""From a path that a client names to a file of this machine, by the rules of the server's contents manager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.utils import ApiPath, to_os_path

from strata_labextension.refusal import Refusal


async def notebook_file(contents: Any, path: str) -> Path:
    """Return the file of a notebook; raise HTTPError (404) for what the contents manager would not show either."""
    inner = path.strip("/")
    # It raises 404 for what lies outside its root, whatever the path is made of.
    if not inner or not await ensure_async(contents.file_exists(inner)):
        raise _unknown(path)
    if not contents.allow_hidden and await ensure_async(contents.is_hidden(inner)):
        # The same words as for what is not there: that it is there is hidden too.
        raise _unknown(path)
    root = getattr(contents, "root_dir", "")
    file = Path(to_os_path(ApiPath(inner), root)) if root else None
    if file is None or not file.is_file():
        raise Refusal(404, "notebook_elsewhere", f"{path} is no file of this machine")
    return file


def _unknown(path: str) -> Refusal:
    return Refusal(404, "notebook_unknown", f"there is no notebook {path!r}")
