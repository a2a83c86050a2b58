"""Prompt cells: a template that is filled from the notebook, sent to a model, and answered once."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from strata_kernel.cells import template
from strata_kernel.cells.kind import Identity, Policy, Reading
from strata_kernel.domain import provenance
from strata_kernel.domain.analysis import Analysis
from strata_kernel.domain.cell import Cell, Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.directives import Directives, parse
from strata_kernel.domain.terms import settle

_MAGIC = re.compile(r"\s*%%prompt(?:[ \t]+(?P<name>\S+))?[ \t]*(?:\r?\n|\Z)", re.IGNORECASE)
_HEAD = re.compile(r"(?:[ \t]*#[ \t]*@[^\n]*(?:\n|\Z)|[ \t]*\n)*")


class Source(msgspec.Struct, frozen=True):
    """The parts of a prompt cell; `schema` is JSON, a file, or the name of a model class of the notebook."""

    name: str
    text: str
    line: int
    directives: Directives
    template: template.Template

    @property
    def model_class(self) -> str | None:
        """The name of the pydantic model that an answer becomes."""
        schema = self.directives.output_schema
        return schema if schema is not None and schema.isidentifier() else None


def take_apart(source: str) -> Source:
    """Read the parts of a prompt cell; never raises."""
    magic = _MAGIC.match(source)
    rest = source[magic.end() :] if magic else source
    head = _HEAD.match(rest)
    text = (rest[head.end() :] if head else rest).strip()
    directives = parse(source)
    name = directives.name or (magic["name"] if magic else None) or "result"
    line = source[: source.find(text)].count("\n") if text else 0
    return Source(name if name.isidentifier() else "result", text, line, directives, template.read(text))


class PromptKind:
    """The kind of cells that start with `%%prompt`; `defaults` are the settings that change answers."""

    name = "prompt"

    def __init__(self, defaults: dict[str, Any]) -> None:
        self._defaults = defaults

    def claims(self, source: str) -> bool:
        """Claim cells whose first line is `%%prompt`."""
        return _MAGIC.match(source) is not None

    def read(self, cell: Cell, identity: Identity) -> Reading:
        """Read which names the template takes, and everything that changes the answer."""
        source = take_apart(cell.source)
        directives, found = source.directives, source.template
        error = Reason("syntax", f"the template: {found.error}", line=source.line + found.line) if found.error else None
        terms = settle(directives, identity.defaults)
        schema = directives.output_schema or ""
        deps = [(d.kind, d.name) for d in directives.deps]
        if schema.endswith(".json"):
            deps.append(("file", schema))
        matters = {
            "kind": "prompt",
            "name": source.name,
            "defaults": json.dumps(self._defaults, sort_keys=True),
            "asked": json.dumps(asked(directives)),
        }
        policy = directives.cache
        return Reading(
            cell=cell,
            analysis=Analysis(
                code=digest("prompt", source.text),
                reads=found.reads | ({source.model_class} if source.model_class else set()),
                stores=frozenset({source.name}),
                error=error,
                labels=(source.name,),
            ),
            program=provenance.program(
                code=digest("prompt", source.text),
                directives=matters | terms.matters,
                python=identity.python,
                worker=identity.of_worker(terms.worker),
                session=identity.session if policy and policy.policy == "session" else "",
            ),
            policy=Policy(policy.policy, policy.seconds) if policy else Policy(),
            directives=directives,
            deps=tuple(deps),
            kind=self.name,
            terms=terms,
        )


def asked(directives: Directives) -> list[Any]:
    """Return what the directives ask of a model, as plain values."""
    return [
        directives.model,
        directives.temperature,
        directives.max_tokens,
        list(directives.system),
        directives.output,
        directives.output_schema,
        directives.validate_retries,
    ]
