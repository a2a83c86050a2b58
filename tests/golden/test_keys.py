"""Keys never change by accident: a change here empties every user's cache, so it comes with a new FORMAT."""

from strata_kernel.domain import provenance
from strata_kernel.domain.analyse import analyse
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import FORMAT, Fact


def test_format():
    assert FORMAT == 3


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
    "program": "f6f6113cb31977ed53d6a061938922cccf9f522d",
    "key": "ccb6b5ed21ee89bb6d4b682445e6ba58200168d6",
    "version": "f81448013052be817481dc1f56f4f7b9936cfee2",
    "nonce": "028d2cbb96aaf196e8f3352894adedf8d918feea",
    "code": "85b941a51729ba3e5d46af19a7805cd57d0d0464",
}
