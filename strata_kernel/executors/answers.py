"""Answers of models, kept by what was asked: the same question in another notebook is answered by the same run."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from strata_kernel.domain import provenance
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Artifact, Manifest, Unit
from strata_kernel.errors import StoreError
from strata_kernel.ports import Actions

_NAME = "answer:"


class Question(msgspec.Struct, frozen=True):
    """Everything that changes an answer; `endpoint` is an address without secrets, `schema` is JSON Schema."""

    endpoint: str
    model: str
    messages: tuple[tuple[str, str], ...]
    temperature: float
    max_tokens: int
    output: str
    schema: dict[str, Any] | None
    attempts: int

    @property
    def program(self) -> str:
        """P of asking it."""
        asked = msgspec.json.encode(self, order="deterministic")
        return provenance.program(
            code=digest("question", asked), directives={"kind": "prompt"}, python="", worker="local"
        )


class Given(msgspec.Struct, frozen=True):
    """An answer: its text, the tokens that it took, and how many attempts."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    attempts: int = 1


class Answers:
    """The action cache, asked for answers."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    def find(self, question: Question) -> Given | None:
        """Return the newest answer, None when there is none."""
        try:
            for manifest in self._actions.entries(question.program):
                inline = manifest.units[0].artifact.inline if manifest.units and manifest.units[0].artifact else None
                if inline is not None:
                    return msgspec.json.decode(inline, type=Given)
        except (StoreError, msgspec.DecodeError):
            return None
        return None

    def keep(self, question: Question, given: Given, seconds: float) -> None:
        """Record an answer; never raises: it is asked for again at worst."""
        program = question.program
        key = provenance.key(program=program, reads={})
        version = provenance.version(key=key, names=[_NAME])
        unit = Unit((_NAME,), version, "hidden", artifact=Artifact("state", inline=msgspec.json.encode(given)))
        manifest = Manifest(program, key, {}, units=(unit,), seconds=seconds, created=time.time())
        try:
            self._actions.publish(manifest)
        except StoreError:
            return
