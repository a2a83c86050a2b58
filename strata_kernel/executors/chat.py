"""One conversation with an OpenAI-compatible endpoint: streamed, structured as natively as the endpoint can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import openai

from strata_kernel.errors import CellError
from strata_kernel.executors.answers import Question
from strata_kernel.executors.schema import guidance, is_strict, strict
from strata_kernel.settings import AiSettings

#: Tries beyond the first for rate limits and errors of the server, with the client's own backoff.
RETRIES = 3
_KEYS = ("STRATA_AI_API_KEY", "OPENAI_API_KEY")


class Said(msgspec.Struct, frozen=True):
    """A model's answer and the tokens that it took."""

    text: str
    tokens_in: int
    tokens_out: int


class Chat:
    """Asks one question, possibly several times."""

    def __init__(self, question: Question, settings: AiSettings, environ: Mapping[str, str]) -> None:
        key = next((environ[k] for k in _KEYS if environ.get(k)), None)
        if key is None and settings.base_url is None:
            raise CellError("no key is set: put it into the environment as OPENAI_API_KEY or STRATA_AI_API_KEY")
        self._client = openai.OpenAI(
            api_key=key or "none",
            base_url=question.endpoint,
            timeout=settings.timeout_seconds,
            max_retries=RETRIES,
        )
        self._question, self._seconds = question, settings.timeout_seconds
        #: Ways of asking for structure, the best first; what the endpoint refuses is dropped.
        self._forms = _forms(question)
        self._counted = True

    @property
    def native(self) -> bool:
        """Whether the endpoint is given the schema itself."""
        return bool(self._forms) and self._forms[0].get("type") == "json_schema"

    def complete(self, messages: list[dict[str, str]], piece: Callable[[str], None]) -> Said:
        """Return the answer, giving its pieces away as they come; raise CellError with the cause and the cure."""
        while True:
            try:
                return self._stream(messages, piece)
            except openai.BadRequestError as error:
                if not self._give_in(error):
                    raise CellError(f"{self._question.endpoint} refused the request: {_message(error)}") from None
            except openai.UnprocessableEntityError as error:
                if not self._give_in(error):
                    raise CellError(f"{self._question.endpoint} refused the request: {_message(error)}") from None
            except openai.OpenAIError as error:
                raise self._explained(error) from None

    def _give_in(self, error: openai.APIStatusError) -> bool:
        """Drop what the endpoint may not know; tell whether there was anything."""
        if self._forms and "response_format" in _message(error):
            self._forms.pop(0)
            return True
        if self._counted and "stream_options" in _message(error):
            self._counted = False
            return True
        if self._forms:
            self._forms.pop(0)
            return True
        return False

    def _stream(self, messages: list[dict[str, str]], piece: Callable[[str], None]) -> Said:
        options: dict[str, Any] = {"response_format": self._forms[0]} if self._forms else {}
        if self._counted:
            options["stream_options"] = {"include_usage": True}
        if self._question.schema is not None and not self.native:
            messages = [{"role": "system", "content": guidance(self._question.schema)}, *messages]
        stream: Any = self._client.chat.completions.create(
            model=self._question.model,
            messages=messages,  # type: ignore[arg-type]  # roles as plain text
            temperature=self._question.temperature,
            max_tokens=self._question.max_tokens,
            stream=True,
            **options,
        )
        text, usage, ended = "", None, None
        with stream:
            for chunk in stream:
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    if choice.delta.content:
                        text += choice.delta.content
                        piece(choice.delta.content)
                    ended = choice.finish_reason or ended
        if ended is None:
            raise CellError(f"{self._question.endpoint} broke off in the midst of the answer: run the cell again")
        if ended == "length":
            raise CellError(f"the answer is longer than {self._question.max_tokens} tokens: raise `# @max_tokens`")
        return Said(text, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0)

    def _explained(self, error: openai.OpenAIError) -> CellError:
        where = self._question.endpoint
        match error:
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                return CellError(f"{where} does not accept the key: check OPENAI_API_KEY or STRATA_AI_API_KEY")
            case openai.NotFoundError():
                return CellError(f"{where} has no model {self._question.model!r}, or is no such API: {_message(error)}")
            case openai.RateLimitError():
                return CellError(f"{where} is asked too often, even after {RETRIES} more tries: {_message(error)}")
            case openai.APITimeoutError():
                return CellError(f"{where} did not answer within {self._seconds:g} s: raise `timeout_seconds` in [ai]")
            case openai.APIConnectionError():
                return CellError(f"{where} cannot be reached: check `base_url` in [ai]")
            case openai.APIStatusError():
                return CellError(f"{where} failed with {error.status_code}, even after {RETRIES} more tries")
        return CellError(f"{where}: {error}")


def _forms(question: Question) -> list[dict[str, Any]]:
    if question.output != "json":
        return []
    plain = {"type": "json_object"}
    if question.schema is None:
        return [plain]
    exact = is_strict(question.schema)
    schema = strict(question.schema) if exact else question.schema
    return [{"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": exact}}, plain]


def _message(error: openai.OpenAIError) -> str:
    return str(getattr(error, "message", error))
