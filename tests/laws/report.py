"""Tell a divergence: as text, as JSON for a replay, and as a case for the acceptance judge."""

import ast
import json
import pprint

JUDGED = {
    "run_all",
    "run",
    "edit",
    "insert",
    "delete",
    "move",
    "restart",
    "setenv",
    "write",
    "write_keep_mtime",
    "touch",
    "remove",
    "expect",
}


def literal(described):
    """The Python text of a described value where it has one."""
    kind, *rest = described if isinstance(described, list) else (None,)
    if kind in ("int", "str", "float", "bool", "NoneType", "bytes"):
        return rest[0]
    if kind in ("list", "tuple", "set") and all(items := [literal(v) for v in rest[0]]):
        return (
            {"list": "[{}]", "tuple": "({},)", "set": "{{{}}}"}[kind].format(", ".join(items)) if items else f"{kind}()"
        )
    if kind == "dict" and all(
        (pairs := [(literal(k), literal(v)) for k, v in rest[0]]) and [k and v for k, v in pairs]
    ):
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
    return None


def expectation(fault, case):
    """A step of the judge that fails as the fault says, where the judge can say it."""
    if fault.law.endswith("extra name"):
        return ("expect", f"{fault.what!r} not in globals()")
    if fault.law.endswith("name"):
        text = literal(fault.want)
        if text:
            return (
                "expect",
                f"repr({fault.what}) == {str(ast.literal_eval(text))!r}"
                if text.startswith("{")
                else f"{fault.what} == {text}",
            )
        return ("expect", f"{fault.what!r} in globals()")
    if fault.law.endswith("output"):
        cell = int(fault.what.split()[-1])
        return (
            "expect_out",
            cell,
            "".join(t if k in ("stdout", "stderr") else t + "\n" for k, t in fault.want).strip(),
        )
    if fault.law.endswith("error"):
        return ("expect_ok",) if fault.want is None else ("expect_error", *fault.want)
    if fault.law.endswith("file"):
        return ("expect_file", fault.what, fault.want)
    return None


def judge_case(case, fault):
    """The case in the judge's format; steps that the judge does not know are left as they are and named in `expect`."""
    steps = [s for s in case["steps"][: fault.step + 1] if s[0] not in ("check", "all_hit", "hit")]
    if (extra := expectation(fault, case)) is not None:
        steps.append(extra)
    unknown = sorted({s[0] for s in steps} - JUDGED - {"expect_out", "expect_error", "expect_ok", "expect_file"})
    out = {
        "name": f"laws_{case['name']}".replace("-", "_"),
        "cells": case["cells"],
        "files": case["files"],
        "env": case["env"],
        "steps": steps,
        "expect": str(fault)
        + (f" (the judge does not know {unknown}: replay with python -m tests.laws --replay)" if unknown else ""),
    }
    return {k: v for k, v in out.items() if v}


def told(case, fault):
    variants = f" with {case['variants']}" if case.get("variants") else ""
    return f"{fault}{variants}\n{pprint.pformat(judge_case(case, fault), width=150, sort_dicts=False)}"


def saved(case, fault):
    return json.dumps({"fault": str(fault), **case}, indent=1)


def loaded(text):
    case = json.loads(text)
    return {**case, "steps": [tuple(s) for s in case["steps"]]}
