"""Answers as JSON: taken out of what surrounds them, and checked against a schema with errors by path."""

from __future__ import annotations

import json
import re
from typing import Any

_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)


def extract(text: str) -> Any:
    """Return the JSON value of an answer, without a fence or words around it; raise ValueError when there is none."""
    fenced = _FENCE.search(text)
    places = [i for i in (text.find("{"), text.find("[")) if i >= 0]
    start = min(places) if places else -1
    end = max(text.rfind("}"), text.rfind("]"))
    candidates = [text, fenced[1] if fenced else "", text[start : end + 1] if start >= 0 else ""]
    for candidate in candidates:
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    raise ValueError("it is not JSON")


def check(text: str, schema: dict[str, Any] | None) -> list[str]:
    """Return what is wrong with an answer, each with its path; nothing when it fits."""
    try:
        value = extract(text)
    except ValueError as error:
        return [str(error)]
    if schema is None:
        return []
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
        found = sorted(
            Draft202012Validator(schema, registry=Registry()).iter_errors(value),
            key=lambda e: list(map(str, e.absolute_path)),
        )
    except SchemaError as error:
        return [f"the schema itself is wrong: {error.message}"]
    except (Unresolvable, RecursionError) as error:
        return [f"the schema itself is wrong: {type(error).__name__}: {error}"]
    return [f"{_path(e.absolute_path)}: {e.message}" for e in found[:20]]


def _path(parts: Any) -> str:
    return "$" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)


def guidance(schema: dict[str, Any]) -> str:
    """Return what tells a model the schema that cannot be given it otherwise."""
    return "Answer with one JSON value that fits this JSON Schema, and nothing else:\n" + json.dumps(schema)


def strict(schema: Any) -> Any:
    """Return a schema as strict endpoints want it: no object takes properties that it does not name."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    found = {k: strict(v) for k, v in schema.items()}
    if found.get("type") == "object" and "properties" in found:
        found["additionalProperties"] = False
    return found


def is_strict(schema: Any) -> bool:
    """Tell whether strict endpoints take the schema: every object requires all of its properties."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if "properties" in schema and set(schema.get("required", ())) != set(schema["properties"]):
        return False
    return all(map(is_strict, schema.values()))
