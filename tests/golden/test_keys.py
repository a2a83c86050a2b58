"""Keys never change by accident: a change here empties every user's cache, so it comes with a new FORMAT."""

from strata_kernel.domain import provenance
from strata_kernel.domain.analyse import analyse
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import FORMAT, Fact


def test_format():
    assert FORMAT == 2


def test_digest():
    assert digest("a", 1, 1.0, True, None, b"x", ["y"], {"k": -0.0}) == GOLDEN["digest"]


def test_program_key_and_versions():
    program = provenance.program(code="c", directives={"deps": "env:X"}, python="3.11", worker="local")
    key = provenance.key(program=program, reads={"x": "v", "y": ""}, facts=[Fact("env", "X", "d")])
    assert program == GOLDEN["program"]
    assert key == GOLDEN["key"]
    assert provenance.version(key=key, names=["b", "a"]) == GOLDEN["version"]
    assert provenance.version(key=key, names=["a", "b"], nonce="n") == GOLDEN["nonce"]


def test_canonical_code():
    source = (
        "import numpy as np\n\ndef f(x, n=1):\n    '''Doc.'''\n    return x + n  # sum\n\ny = [f(i) for i in range(3)]"
    )
    assert analyse(source).code == GOLDEN["code"]


GOLDEN = {
    "digest": "3b03286aefffc45739ddbe14a0a41da94ece9a49",
    "program": "1a5e14025e35e8834df4f77be98e0080f150b912",
    "key": "3673a497a44ae3afd2ba3eda83b558ab8c2bd351",
    "version": "372df8a919a3f6f320f1571d97bc08495cc9679f",
    "nonce": "64672e36e03f55318a40a0d21b4bd07bc3ae2180",
    "code": "85b941a51729ba3e5d46af19a7805cd57d0d0464",
}
