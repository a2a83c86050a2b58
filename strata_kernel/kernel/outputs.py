"""Records what a run shows, in final state, and shows it again."""

from __future__ import annotations

import copy
import re
from typing import Any

#: What counts as shown; everything else on iopub is the protocol's own.
SHOWN = frozenset({"stream", "display_data", "execute_result", "update_display_data", "clear_output", "error"})

#: The form of an id that IPython makes up for a display.
_MADE_UP = re.compile("[0-9a-f]{32}")


class Recorder:
    """The outputs of one run, folded as they come: streams joined, updates applied, cleared ones gone."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, Any]] = []
        self.live = False
        self.result = False
        #: How many messages came.
        self.heard = 0
        self._clear = False

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Take one iopub message."""
        if kind == "comm_open":
            self.live = True
        if kind not in SHOWN:
            return
        self.heard += 1
        if kind == "clear_output":
            self._clear = bool(content.get("wait"))
            if not self._clear:
                self._drop()
            return
        if self._clear and kind != "update_display_data":
            self._clear = False
            self._drop()
        if kind == "stream":
            self._stream(content)
        elif kind == "update_display_data":
            self._update(content)
        else:
            self.result = self.result or kind == "execute_result"
            self.outputs.append({"msg_type": kind, "content": copy.deepcopy(content)})

    def _drop(self) -> None:
        # An update of another cell's display is no output of this one, so clearing leaves it.
        self.outputs = [o for o in self.outputs if o["msg_type"] == "update_display_data"]

    def _stream(self, content: dict[str, Any]) -> None:
        last = self.outputs[-1] if self.outputs else None
        if last and last["msg_type"] == "stream" and last["content"]["name"] == content["name"]:
            last["content"]["text"] += content["text"]
        else:
            self.outputs.append({"msg_type": "stream", "content": dict(content)})

    def _update(self, content: dict[str, Any]) -> None:
        name = _display_id(content)
        own = False
        for output in self.outputs:
            if _display_id(output["content"]) == name:
                own = own or output["msg_type"] != "update_display_data"
                output["content"]["data"] = content["data"]
                output["content"]["metadata"] = content.get("metadata", {})
                if output["msg_type"] == "update_display_data":
                    return
        # An id that the user chose may stand in other cells too.
        if not own or (name is not None and not _MADE_UP.fullmatch(name)):
            self.outputs.append({"msg_type": "update_display_data", "content": copy.deepcopy(content)})


def _display_id(content: dict[str, Any]) -> str | None:
    found = content.get("transient", {}).get("display_id")
    return None if found is None else str(found)


def as_notebook(outputs: list[dict[str, Any]], execution_count: int | None) -> list[dict[str, Any]]:
    """Return recorded messages as the outputs of a notebook's cell (nbformat 4)."""
    shown = []
    for output in outputs:
        kind, content = output["msg_type"], output["content"]
        if kind == "stream":
            shown.append({"output_type": "stream", "name": content["name"], "text": content["text"]})
        elif kind in ("display_data", "execute_result"):
            entry = {"output_type": kind, "data": content["data"], "metadata": content.get("metadata", {})}
            if kind == "execute_result":
                entry["execution_count"] = execution_count
            shown.append(entry)
        elif kind == "error":
            shown.append({"output_type": "error", **{k: content[k] for k in ("ename", "evalue", "traceback")}})
    return shown
