"""Keys never change by accident: a change here empties every user's cache, so it comes with a new FORMAT."""

from strata_kernel.domain import provenance
from strata_kernel.domain.analyse import analyse
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import FORMAT, Fact


def test_format():
    assert FORMAT == 4


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
    "program": "98b7e22c61c29921931badfabfc5abadac5525fa",
    "key": "47043289b3c276bc902df95578d427f49a185fb1",
    "version": "781359901ca2776011c4364468e4f419a12ae129",
    "nonce": "40802ff5a57567d3feaafaa0866ff9f30d32b0e4",
    "code": "85b941a51729ba3e5d46af19a7805cd57d0d0464",
}
