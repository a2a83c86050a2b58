"""Asks a model: streams the answer into the cell, checks it against a schema, and keeps it."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strata_kernel.cells.prompt import Source, take_apart
from strata_kernel.domain.cell import Reason, Task
from strata_kernel.errors import CellError
from strata_kernel.executors.answers import Answers, Given, Question
from strata_kernel.executors.schema import check, extract
from strata_kernel.ports import Done, Stage
from strata_kernel.settings import AiSettings

#: Seconds between two looks of the page at an answer that is coming.
_STEP = 0.08
#: Attempts at an answer that fits its schema.
_ATTEMPTS = 3


class Prompts:
    """The models of one notebook; implements the `Performer` port."""

    def __init__(self, settings: AiSettings, answers: Answers, start: Path) -> None:
        self._settings, self._answers, self._start = settings, answers, start
        self.spent = 0.0

    def run(self, task: Task, stage: Stage) -> Done:
        """Answer the prompt from what is kept, or ask; bind the answer."""
        source = take_apart(task.cell.source)
        if source.template.error:
            raise CellError(f"the template, line {source.line + source.template.line}: {source.template.error}")
        question = self._question(source, stage.namespace)
        policy = source.directives.cache.policy if source.directives.cache else ""
        given = None if stage.forced or policy == "off" else self._answers.find(question)
        page = _Page(stage, question)
        kept = given is not None
        if given is None:
            start = time.monotonic()
            given = self._ask(question, page)
            self._answers.keep(question, given, time.monotonic() - start)
        value = self._value(source, question, given, stage.namespace)
        page.close(given.text)
        return Done({source.name: value}, reasons=self._reasons(question, given, kept=kept))

    def _question(self, source: Source, namespace: Mapping[str, Any]) -> Question:
        directives, ai = source.directives, self._settings
        model = directives.model or ai.model
        if not model:
            raise CellError("no model is named: say `# @model NAME` in the cell, or `model` in strata.toml under [ai]")
        from strata_kernel.executors.render import render  # as much as the rest of a kernel's start together

        text = render(source.text, {n: namespace[n] for n in source.template.reads if n in namespace})
        schema = self._schema(source, namespace)
        messages = [("system", line) for line in directives.system]
        temperature = directives.temperature if directives.temperature is not None else 0.0
        return Question(
            endpoint=ai.base_url or "https://api.openai.com/v1",
            model=model,
            messages=(*messages, ("user", text)),
            temperature=temperature,
            max_tokens=directives.max_tokens or ai.max_tokens,
            output="json" if schema is not None else directives.output or "text",
            schema=schema,
            attempts=directives.validate_retries or (_ATTEMPTS if schema is not None else 1),
        )

    def _schema(self, source: Source, namespace: Mapping[str, Any]) -> dict[str, Any] | None:
        said = source.directives.output_schema
        if said is None:
            return None
        if source.model_class is not None:
            model = namespace.get(source.model_class)
            if not hasattr(model, "model_json_schema"):
                raise CellError(f"@output_schema {said}: no cell above defines a pydantic model of that name")
            found = model.model_json_schema()  # type: ignore[union-attr]
        else:
            try:
                found = json.loads((self._start / said).read_text("utf-8") if said.endswith(".json") else said)
            except (OSError, ValueError) as error:
                raise CellError(f"@output_schema {said}: {error}") from None
        if not isinstance(found, dict):
            raise CellError("@output_schema must be a JSON object")
        return found

    def _ask(self, question: Question, page: _Page) -> Given:
        limit = self._settings.max_cost
        if limit is not None and self.spent >= limit:
            raise CellError(f"the limit of {limit:g} for models is spent ({self.spent:.4g}): raise `max_cost` to go on")
        from strata_kernel.executors.chat import Chat  # whose client takes a second to load

        chat = Chat(question, self._settings, os.environ)
        messages = [{"role": role, "content": text} for role, text in question.messages]
        tokens_in = tokens_out = 0
        problems: list[str] = []
        for attempt in range(1, question.attempts + 1):
            page.clear()
            said = chat.complete(messages, page.add)
            tokens_in, tokens_out = tokens_in + said.tokens_in, tokens_out + said.tokens_out
            self.spent += self._cost(said.tokens_in, said.tokens_out)
            given = Given(said.text, tokens_in, tokens_out, attempt)
            problems = check(said.text, question.schema) if question.output == "json" else []
            if not problems:
                return given
            asked = (
                "The answer does not fit:\n" + "\n".join(f"- {p}" for p in problems) + "\nAnswer again, with JSON only."
            )
            messages += [{"role": "assistant", "content": said.text}, {"role": "user", "content": asked}]
        shown = "\n".join(f"- {p}" for p in problems[:10])
        raise CellError(f"the answer does not fit its schema after {question.attempts} attempt(s):\n{shown}")

    def _value(self, source: Source, question: Question, given: Given, namespace: Mapping[str, Any]) -> Any:
        if question.output != "json":
            return given.text
        value = extract(given.text)
        if source.model_class is not None:
            try:
                return namespace[source.model_class].model_validate(value)
            except ValueError as error:
                raise CellError(f"the answer is no {source.model_class}: {error}") from None
        return value

    def _cost(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self._settings.price_in + tokens_out * self._settings.price_out) / 1e6

    def _reasons(self, question: Question, given: Given, *, kept: bool) -> tuple[Reason, ...]:
        cost = self._cost(given.tokens_in, given.tokens_out)
        said = f"{given.tokens_in:,} tokens in, {given.tokens_out:,} out" + (f", {cost:.4g}" if cost else "")
        how = "answered before by" if kept else "answered by"
        return (Reason("network", f"{how} {question.model}"), Reason("usage", said))


class _Page:
    """The display of an answer while it comes."""

    def __init__(self, stage: Stage, question: Question) -> None:
        self._stage, self._json = stage, question.output == "json"
        self._display, self._shown, self._text, self._last = uuid.uuid4().hex, False, "", 0.0

    def clear(self) -> None:
        """Begin anew."""
        self._text = ""

    def add(self, piece: str) -> None:
        """Take a piece of the answer; shown at once, or with the next when that one was just now."""
        self._text += piece
        if time.monotonic() - self._last > _STEP:
            self._show({"text/plain": self._text})

    def close(self, text: str) -> None:
        """Show the whole answer."""
        bundle: dict[str, Any] = {"text/plain": text}
        if self._json:
            bundle["application/json"] = extract(text)
        else:
            bundle["text/markdown"] = text
        self._show(bundle)

    def _show(self, bundle: dict[str, Any]) -> None:
        self._stage.show(bundle, self._display, update=self._shown)
        self._shown, self._last = True, time.monotonic()
