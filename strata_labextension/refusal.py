"""Why a request is refused: a status of HTTP, a word for programs, a sentence for people."""

from __future__ import annotations

from tornado.web import HTTPError


class Refusal(HTTPError):
    """An answer `{message, reason}` with a status; `code` is the reason that programs tell apart."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(status)
        self.code, self.text = code, text

    def __str__(self) -> str:
        return f"{self.status_code} {self.code}: {self.text}"
