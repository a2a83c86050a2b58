"""A standard stream of a process without a frontend: what Python and other programs write to it is shown."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterable
from typing import Any

from strata_kernel.kernel.observe import active

#: Seconds after which text is shown that ends no line, and characters from which on it is at once.
_SOON, _LONG = 0.1, 8192


class Stream:
    """A standard stream whose text is shown as it comes."""

    encoding, errors = "utf-8", "replace"

    def __init__(self, name: str, descriptor: int, send: Callable[[str, dict[str, Any]], None]) -> None:
        self.name, self._descriptor, self._send = f"<{name}>", descriptor, send
        self._kind = name
        receiving, sending = os.pipe()
        os.dup2(sending, descriptor)
        os.close(sending)
        self._mark, self._seen = os.urandom(16), threading.Event()
        self._lock, self._line = threading.Lock(), ""
        threading.Thread(target=self._follow, args=(receiving,), name=f"strata-{name}", daemon=True).start()

    def _follow(self, receiving: int) -> None:
        """Show what the programs that the cell starts write."""
        active.exempt_thread()
        rest = b""
        while True:
            if not select.select([receiving], [], [], _SOON)[0]:
                self._show()
                continue
            chunk = os.read(receiving, 1 << 16)
            text, mark, after = (rest + chunk).partition(self._mark)
            rest = b""
            if mark:
                text += after
                self._seen.set()
            elif self._mark[:1] in text[-15:]:
                at = text.rfind(self._mark[:1], len(text) - 15)
                if self._mark.startswith(text[at:]):
                    text, rest = text[:at], text[at:]
            if text:
                self._show(text.decode("utf-8", "replace"))

    def _show(self, text: str = "") -> None:
        with self._lock:
            line, self._line = self._line + text, ""
            if line:
                self._send("stream", {"name": self._kind, "text": line})

    def write(self, text: str) -> int:
        """Show the text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._lock:
            self._line += text
        if "\n" in text or len(self._line) > _LONG:
            self._show()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Show the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Show what was written, below Python too."""
        self._show()
        if threading.current_thread() is threading.main_thread():
            self._seen.clear()
            os.write(self._descriptor, self._mark)
            self._seen.wait(1)

    def fileno(self) -> int:
        """Return the descriptor that programs which the cell starts write to."""
        return self._descriptor

    def isatty(self) -> bool:
        """Tell that nobody types here."""
        return False

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    closed = False
