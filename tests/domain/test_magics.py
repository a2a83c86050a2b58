"""What analysis tells of magics, in the form that IPython gives them."""

from __future__ import annotations

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from strata_kernel.domain.analyse import analyse
from strata_kernel.domain.analysis import Analysis


def look(source: str) -> Analysis:
    return analyse(source, TransformerManager().transform_cell(source))


def test_time_runs_its_body_in_place() -> None:
    found = look("%%time\nimport numpy as np\ndef f(): return k\nx = y\nf(x)")
    assert found.reads == {"y", "k"}
    assert found.stores == {"np", "f", "x"}
    assert found.unsure == set()
    assert set(found.imports) == {"np"}
    assert found.definitions["f"].source == "def f(): return k\n"
    assert not (found.opaque)
    assert not (found.frozen)
    assert not (found.always)
    assert found.result
    assert not look("%%time\nx;").result
    assert not look("%%time\nx = 1").result
    assert look("%time x = f(y)").stores == {"x"}
    assert look("a = %time f(y)").stores == {"a"}
    assert look("a = %time f(y)").reads == {"f", "y"}


def test_layout_of_a_body_is_not_code() -> None:
    assert look("%%time\nx = 1\n").code == look("%%time\n\nx  = 1  # note\n").code
    assert look("%%time\nx = 1\n").code != look("%%time\nx = 2\n").code
    assert look("%%time\nx = 1\n").code != look("%%capture\nx = 1\n").code
    assert look("%%time\nx = 1\n").code != look("x = 1").code
    assert look("%%timeit a; b\nc").code != look("%%timeit a\nb; c").code
    assert look("%%time\nx").code != look("%%time\nx;").code
    assert look("%%bash\nls").code != look("%%bash\nls # a").code
    assert (
        look("%%time\n'''\n%a\n'''\n%cd x").code
        != look("%%time\n'''\nget_ipython().run_line_magic('a', '')\n'''\n%cd x").code
    )


def test_a_body_may_hold_magics() -> None:
    found = look("%%time\nx = 1\n!ls {x} {y}\n%cd z\nfiles = !ls")
    assert found.reads == {"y"}
    assert found.stores == {"x", "files"}
    assert {reason.code for reason in found.always} == {"subprocess"}
    assert [effect.path for effect in found.effects] == ["cd"]
    assert not found.opaque
    assert look("%%time\nx = = 1").opaque


def test_lines_inside_of_a_body() -> None:
    assert look("%%time\nx = 1\ntime.time()").frozen[0].line == 3
    assert look("x = 1\n%time time.time()").frozen[0].line == 2


def test_capture_and_timeit_bind() -> None:
    assert look("%%capture out --no-stderr\nx = y").stores == {"x", "out"}
    assert not look("%%capture\nx").result
    found = look("%timeit -n 3 -r2 x = f(y)")
    assert (found.reads, found.stores) == ({"f", "y"}, set())
    assert [reason.code for reason in found.frozen] == ["clock"]
    assert not found.result
    assert look("%timeit -o f()").result
    assert look("t = %timeit -o f()").stores == {"t"}
    found = look("%%timeit a = 1\nf(a, b)")
    assert (found.reads, found.stores) == ({"f", "b"}, set())


@pytest.mark.parametrize(
    ("source", "path"),
    [("%matplotlib inline", "matplotlib"), ("%load_ext autoreload", "load_ext"), ("%autoreload 2", "autoreload"),
     ("%config InlineBackend.figure_format = 'svg'", "config"), ("%env A=1", "env"), ("%set_env A 1", "set_env"),
     ("%cd data", "cd"), ("%pushd x", "pushd")],
)  # fmt: skip
def test_effects(source: str, path: str) -> None:
    found = look(source)
    assert [(effect.root, effect.path) for effect in found.effects] == [("get_ipython", path)]
    assert not (found.opaque)
    assert not (found.always)
    assert not (found.reads)


@pytest.mark.parametrize(
    ("source", "code"),
    [("!ls", "subprocess"), ("x = !ls", "subprocess"), ("!!ls", "subprocess"), ("%%bash\nls", "subprocess"),
     ("%%sh\nls", "subprocess"), ("%%script foo\nls", "subprocess"), ("%pip install a", "subprocess"),
     ("%conda install a", "subprocess"), ("x?", "introspection"), ("x??", "introspection"), ("?", "introspection"),
     ("np.*load*?", "introspection"), ("%strata why", "introspection"), ("%debug", "input"), ("%ls", "subprocess"),
     ("%%strata\nx", "introspection")],
)  # fmt: skip
def test_always(source: str, code: str) -> None:
    found = look(source)
    assert [reason.code for reason in found.always] == [code]
    assert not (found.opaque)
    assert not (found.reads)


@pytest.mark.parametrize(
    "source",
    ["%run a.py", "%run -i a.py", "%who", "%whos", "%who_ls", "%store x", "%reset -f", "%xdel x", "%load a.py",
     "%nosuchmagic", "%%nosuchmagic\nx", "%pylab", "get_ipython().kernel", "get_ipython().run_line_magic(name, '')"],
)  # fmt: skip
def test_opaque(source: str) -> None:
    found = look(source)
    assert found.opaque
    assert found.error is None


@pytest.mark.parametrize(
    "source",
    ["%%html\n<b>{x}</b>", "%%latex\n$x$", "%%javascript\nx", "%%markdown\n# x", "%%writefile a.py\nx", "%env", "%pwd"],
)
def test_display_reads_nothing(source: str) -> None:
    found = look(source)
    assert not (found.reads)
    assert not (found.opaque)
    assert not (found.always)
    assert not (found.effects)


def test_interpolation_reads() -> None:
    assert look("!echo {x.y} $z ${w}").reads >= {"x", "z"}
    assert look("%cd {base}/data").reads == {"base"}
    assert look("!echo {x + 1} 'a b'").mentions >= {"a", "b", "x"}
    assert look("def f(p):\n    !rm {p} {q}").definitions["f"].free == {"q"}
    assert look("%%bash --out text\nls").stores == {"text"}


def test_paths_and_names_in_arguments() -> None:
    assert "a.py" in look("%run a.py").paths
    assert "my file.csv" in look("!cat 'my file.csv'").paths
    assert "out.txt" in look("%%writefile out.txt\nbody").paths


def test_python_around_magics() -> None:
    found = look("import numpy as np\n%matplotlib inline\nx = np.zeros(n)\nfor i in x:\n    %time g(i)\nx")
    assert found.reads == {"n", "g"}
    assert found.result
    assert not found.opaque
