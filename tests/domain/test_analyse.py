"""What analysis tells of plain Python."""

from __future__ import annotations

import pytest

from strata_kernel.domain.analyse import analyse
from strata_kernel.domain.analysis import Import


def names(text: str) -> set[str]:
    return set(text.split())


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("x = 1\nprint(x)", "print"),
        ("x = x + 1", "x"),
        ("x += 1", "x"),
        ("x.y = 1", "x"),
        ("x[i] = 1", "x i"),
        ("del x", "x"),
        ("x = 1\ndel x\nx", ""),
        ("if a: x = 1\nx", "a x"),
        ("if a: x = 1\nelse: x = 2\nx", "a"),
        ("if a: x = 1\nelse: raise E\nx", "a E"),
        ("for i in r: x = i\nx, i", "r x i"),
        ("while a: x = 1\nx", "a x"),
        ("while True:\n  x = 1\n  break\nx", ""),
        ("while True:\n  if a: break\n  x = 1\nx", "a x"),
        ("for i in r:\n  x = 1\n  break\nelse:\n  x = 2\nx", "r"),
        ("try: x = 1\nexcept E: x = 2\nx", "E"),
        ("try: x = 1\nexcept E: pass\nx", "E x"),
        ("try: import a\nexcept ImportError: a = None\na", "ImportError"),
        ("try: import a\nexcept ImportError: raise\na", "ImportError"),
        ("try: pass\nfinally: x = 1\nx", ""),
        ("try: f()\nexcept E as e: e\n", "f E"),
        ("with open(p) as h: x = h.read()\nx, h", "open p"),
        ("with suppress(E): x = 1\nx", "suppress E x"),
        ("with cm() as (a, b): x = 1\nx, a", "cm x a"),
        ("with cm() as a: pass\na", "cm"),
        ("match v:\n  case [a, *b]: a, b\n  case {'k': c, **d}: c, d\n  case K(e): e\n  case m.V: 0", "v K m"),
        ("match v:\n  case 1: x = 1\n  case _: x = 2\nx", "v"),
        ("match v:\n  case 1: x = 1\nx", "v x"),
        ("[x for x in y if z]", "y z"),
        ("[x for x in x]", "x"),
        ("{k: v for k, v in d}", "d"),
        ("[y for x in a for y in x]", "a"),
        ("[(y := x) for x in a]\ny", "a y"),
        ("(x := 1)\nx", ""),
        ("a and (x := 1)\nx", "a x"),
        ("lambda a, b=c: a + d", "c d"),
        ("def f(): return x\n", "x"),
        ("x = 1\ndef f(): return x", ""),
        ("def f(): return x\nx = 1", ""),
        ("def f(): return x\nf()\nx = 1", "x"),
        ("def f(): return f()", ""),
        ("def f(): return g()\ndef g(): return f()\nf()", ""),
        ("@d\ndef f(): return f()", "d f"),
        ("if a:\n  def f(): return y\nelse:\n  y = 1\n  g()\nf()", "a y g f"),
        ("try:\n  def f(): return y\n  import m\n  y = 1\nexcept: f(); y = 2", "f y"),
        ("def f(a: T = D) -> R: pass", "T D R"),
        ("from __future__ import annotations\ndef f(a: T = D) -> R: pass", "D"),
        ("x: T = 1", "T"),
        ("def f():\n  x: T = 1\n  return x", ""),
        ("def f():\n  global x\n  x += 1", "x"),
        ("def f():\n  x = 1\n  def g():\n    nonlocal x\n    x = 2\n    return x\n  return g", ""),
        ("def f():\n  if a: x = 1\n  return x", "a"),
        (
            "def f():\n  for i in r: pass\n  with c as d: pass\n  import m\n  try: 0\n  except E as e: e\n  return i, d, m",
            "r c E",
        ),
        ("class A:\n  x = 1\n  y = x\n  def m(self): return x", "x"),
        ("class A:\n  y = x\n  x = 1", "x"),
        ("class A:\n  x = 1\n  del x\n  y = x", "x"),
        ("class A:\n  n = 3\n  v = [n for _ in range(n)]", "range n"),
        ("class A:\n  def m(self): return __class__", ""),
        ("class A:\n  def m(self): return __q", "_A__q"),
        ("class A(B, metaclass=M): pass", "B M"),
        ("class A:\n  def m(self): return A", ""),
        ("def f():\n  x = 1\n  class A:\n    x = x\n  return A", "x"),
        ("def f():\n  x = 1\n  class A:\n    y = x\n  return A", ""),
        ("import a.b\na.b.c", ""),
        ("f'{x} {y:{z}}'", "x y z"),
        ("await x", "x"),
        ("async for i in x: pass", "x"),
        ("(yield_ for yield_ in x)", "x"),
        ("exec('x = y')\nx", "exec y"),
        ("eval('x + y')", "eval x y"),
        ("assert a, b", "a b"),
        ("x = y = x", "x"),
        ("a, b = b, a", "a b"),
        ("del x[0]", "x"),
        ("global x\nx = 1", ""),
    ],
)
def test_reads(source: str, reads: str) -> None:
    found = analyse(source)
    assert found.error is None
    assert found.reads == names(reads)


@pytest.mark.parametrize(
    ("source", "stores", "unsure", "deletes"),
    [
        ("a = b, *c = 1, 2", "a b c", "", ""),
        ("import a.b, c.d as e\nfrom f import g as h", "a e h", "", ""),
        ("for i in r: x = i", "i x", "i x", ""),
        ("with open(p) as f: x = 1", "f x", "", ""),
        ("with c as f: x = 1", "f x", "x", ""),
        ("if a: x = 1\nelse: x = 2", "x", "", ""),
        ("if a: x = 1", "x", "x", ""),
        ("def f():\n  global x\n  x = 1", "f x", "x", ""),
        ("class A:\n  global x\n  x = 1\n  y = 2", "A x", "x", ""),
        ("class A:\n  def m(self):\n    global x\n    x = 1", "A x", "x", ""),
        ("[(x := i) for i in r]", "x", "x", ""),
        ("match v:\n  case [a, *b]: pass", "a b", "a b", ""),
        ("try: pass\nexcept E as e: y = 1", "y", "y", "e"),
        ("x = 1\ndel x", "", "", "x"),
        ("x = 1\nif a: del x", "x", "x", "x"),
        ("del x\nx = 1", "x", "x", "x"),
        ("del x", "", "", "x"),
        ("x: int\ny: int = 1", "y", "", ""),
        ("x.y = 1\nx[0] = 2", "", "", ""),
    ],
)
def test_stores(source: str, stores: str, unsure: str, deletes: str) -> None:
    found = analyse(source)
    assert (found.stores, found.unsure, found.deletes) == (names(stores), names(unsure), names(deletes))


def test_definitions() -> None:
    source = '''import functools
SCALE = 2

@functools.cache  # why
@(
  other)
def f(a: T, b=SCALE):
    """Doc mentions nothing."""
    global counter
    counter += 1
    plt.style.use("dark")
    df.query("z > @limit")
    return g(a) + (lambda q: q + w)(1)

class A(Base):
    size = SCALE

    def m(self, k=D):
        self.x = time.time()
        return eval(h)

def twice(): pass
def twice(): pass

if x:
    def hidden(): pass
'''
    found = analyse(source)
    assert set(found.definitions) == {"f", "A"}
    f, a = found.definitions["f"], found.definitions["A"]
    assert f.evaluates == {"functools", "other", "T", "SCALE"}
    assert f.free == {"counter", "plt", "df", "g", "w"}
    assert f.mentions == {"dark", "z", "limit"}
    assert [(e.root, e.path) for e in f.effects] == [("plt", "style.use"), ("df", "query")]
    assert f.line == 4
    assert f.source.startswith("@functools.cache  # why\n@(\n  other)\ndef f(")
    assert not f.opaque
    assert a.opaque
    assert a.evaluates == {"Base", "SCALE", "D"}
    assert a.free == {"time", "eval", "h"}
    assert [r.code for r in a.frozen] == ["clock"]
    for each in (f, a):
        compile(each.source, "<definition>", "exec")
    moved = analyse("z = 1\n\n" + a.source.replace("\n\n", "\n # note\n"))
    assert moved.definitions["A"].digest == a.digest
    assert analyse(a.source.replace("k=D", "k=E")).definitions["A"].digest != a.digest


def test_imports() -> None:
    found = analyse(
        "import a.b as c\nimport d.e\nfrom f.g import h as i, j\nfrom . import k\nimport m\nm = 1\n"
        "if x: import n\ndef q():\n  import o.p\n  from r import s\n"
        "importlib.import_module('t.u')\n__import__('v')"
    )
    assert found.imports == {
        "c": Import("c", "a.b", None),
        "d": Import("d", "d", None),
        "i": Import("i", "f.g", "h"),
        "j": Import("j", "f.g", "j"),
    }
    assert found.modules == names("a.b d.e f.g m n o.p r t.u v")
    assert found.labels == ("m", "q", "c", "d", "i", "j", "k", "n")


@pytest.mark.parametrize(
    ("source", "effects"),
    [
        ("plt.style.use('x')", [("plt", "style.use")]),
        ("set_seed(3)", [("set_seed", "")]),
        ("x = f()", []),
        ("np.a.b = 1", [("np", "a.b=")]),
        ("np.a += 1", [("np", "a=")]),
        ("del np.a", [("np", "a=")]),
        ("plt.rcParams['x'] = 1", [("plt", "rcParams[]=")]),
        ("plt.rcParams['x'].y, z = 1, 2", [("plt", "rcParams[].y=")]),
        ("setattr(np, 'x', 1)", [("np", "x="), ("setattr", "")]),
        ("setattr(np.a, k, 1)", [("np", "a.…="), ("setattr", "")]),
        ("await a.b()", [("a", "b")]),
        ("logging.getLogger('x').setLevel(1)", [("logging", "getLogger().setLevel")]),
        ("def f(p):\n  p.x = 1\n  q = 1\n  q.go()\n  np.seterr()", [("np", "seterr")]),
        ("def f():\n  import numpy as np\n  np.seterr()", [("np", "seterr")]),
        ("for a.b in c: pass", [("a", "b=")]),
        ("with c() as a.b: pass", [("a", "b=")]),
    ],
)
def test_effects(source: str, effects: list[tuple[str, str]]) -> None:
    assert sorted((e.root, e.path) for e in analyse(source).effects) == sorted(effects)


@pytest.mark.parametrize(
    "source",
    [
        "eval(x)", "exec(x)", "globals()", "locals()", "vars()", "dir()", "f = eval", "import __main__", "vars",
        "from __main__ import x", "__import__('__main__')", "importlib.import_module('__main__')",
        "import sys\nsys.modules['__main__']", "sys.modules[__name__]", "inspect.currentframe()", "inspect.stack()",
        "sys._getframe()", "from os import *", "get_ipython()", "get_ipython().user_ns['x']", "f.__globals__",
        "def f(s): return eval(s)", "builtins.exec(s)", "exec('x = ')", "def f(): exec('x = 1')", "eval('x', g)",
        "from inspect import currentframe as c\nc()",
    ],
)  # fmt: skip
def test_opaque(source: str) -> None:
    found = analyse(source)
    assert [reason.code for reason in found.opaque][:1] == ["opaque"]
    assert found.opaque[0].text.startswith("opaque ")


@pytest.mark.parametrize(
    "source",
    [
        "df.eval('a + b')", "model.eval()", "def f(): return locals()", "def f(): return vars()", "vars(x)", "dir(x)",
        "__name__", "vars = 1\nvars", "def f(dir): return dir", "compile(x, '', 'exec')", "exec('x = 1')", "eval('1 + y')",
    ],
)  # fmt: skip
def test_not_opaque(source: str) -> None:
    assert analyse(source).opaque == ()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import time\ntime.time()", "clock"), ("import time as t\nt.time()", "clock"), ("time.time()", "clock"),
        ("from time import time\ntime()", "clock"), ("from time import time as now\nnow()", "clock"),
        ("t.perf_counter()", "clock"), ("datetime.now()", "clock"), ("dt.datetime.utcnow()", "clock"),
        ("date.today()", "clock"), ("pd.Timestamp.now()", "clock"), ("pd.to_datetime('today')", "clock"),
        ("np.datetime64('now')", "clock"), ("time.strftime('%Y')", "clock"), ("time.localtime()", "clock"),
        ("uuid.uuid4()", "entropy"), ("os.urandom(3)", "entropy"), ("secrets.token_hex()", "entropy"),
        ("from secrets import choice\nchoice(x)", "entropy"), ("os.getpid()", "entropy"), ("random.seed()", "entropy"),
        ("np.random.default_rng()", "entropy"), ("np.random.default_rng(None)", "entropy"),
        ("np.random.RandomState(seed=None)", "entropy"), ("random.SystemRandom()", "entropy"),
        ("def f(): return time.time()\nf()", "clock"),
    ],
)  # fmt: skip
def test_frozen(source: str, code: str) -> None:
    found = analyse(source)
    assert [reason.code for reason in found.frozen] == [code]
    assert found.frozen[0].line is not None


@pytest.mark.parametrize(
    "source",
    [
        "datetime.time(1, 2)", "x.time", "time.strftime('%Y', t)", "d.strftime('%Y')", "time.localtime(0)",
        "random.seed(1)", "np.random.default_rng(7)", "random.Random(x)", "now()", "def time(): 0\ntime()",
        "np.random.choice(x)", "pd.to_datetime('2020-01-01')", "def f(): return time.time()", "time.sleep(1)",
    ],
)  # fmt: skip
def test_not_frozen(source: str) -> None:
    assert analyse(source).frozen == ()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("x = input()", "input"), ("import getpass\ngetpass.getpass()", "input"), ("breakpoint()", "input"),
        ("import subprocess\nsubprocess.run(x)", "subprocess"), ("os.system('ls')", "subprocess"),
        ("from subprocess import run as go\ngo(x)", "subprocess"), ("sp.Popen(x)", "subprocess"),
    ],
)  # fmt: skip
def test_always(source: str, code: str) -> None:
    assert [reason.code for reason in analyse(source).always] == [code]


@pytest.mark.parametrize(
    "source", ["def f(input): return input()", "input = g\ninput()", "app.run()", "def f(): os.system(x)"]
)
def test_not_always(source: str) -> None:
    assert analyse(source).always == ()


@pytest.mark.parametrize(
    ("source", "mutates"),
    [
        ("x.y = 1", "x"), ("x[0].y = 1", "x"), ("x += y", "x"), ("x.a.append(1)", "x"), ("f(x, *y, k=z.q)", "x y z"),
        ("y = x\ny.append(1)", "y x"), ("for a in x: a.go()", "a x"), ("x + y", ""), ("x", ""), ("x = y", ""),
        ("f([x])", "x"), ("del x[0]", "x"), ("with x: pass", "x"), ("def f():\n  y = x\n  y.go()", "x"),
        ("[a.go() for a in x]", "x"),
    ],
)  # fmt: skip
def test_mutates(source: str, mutates: str) -> None:
    assert analyse(source).mutates == names(mutates)


def test_strings() -> None:
    found = analyse('"""not me"""\nx = "data/a.csv"\ndf.query(f"b > @c and {d}")\ny = " "\nz = "two\\nlines"')
    assert found.mentions == names("data a csv b c and two lines")
    assert found.paths == {"data/a.csv"}
    assert analyse("x = " + repr("w " * 6000)).mentions == set()


@pytest.mark.parametrize(
    ("source", "result"),
    [("x", True), ("x;", False), ("x; # c", False), ("x # ;", True), ("x = 1", False), ("x = 1\nx", True), ("", False),
     ("';'", True), ("f(\n';'\n)\n;", False), ("if a: x", False), ("await x", True)],
)  # fmt: skip
def test_result(source: str, result: bool) -> None:
    if source == "f(\n';'\n)\n;":
        source = "f(\n';'\n);\n"
    assert analyse(source).result is result


@pytest.mark.parametrize("source", ["x = ", "def f(:", "\0", "  x", "'", "return = 1", "(" * 300 + ")" * 300, "\ud800"])
def test_errors_are_facts(source: str) -> None:
    found = analyse(source)
    assert found.error is not None
    assert found.error.text
    assert found.code != analyse(source + " ").code


def test_it_survives_depth() -> None:
    for source in ("x = " + "-" * 3000 + "a", "a" + ".b" * 3000, "x = " + "[" * 150 + "a" + "]" * 150):
        analyse(source)
    deep = analyse("y = " + " + ".join(["a"] * 2500))
    assert "a" in deep.reads
    assert "y" in deep.stores


def test_lines_count_from_the_top_of_the_cell() -> None:
    assert analyse("\n\n\ntime.time()", "time.time()\n").frozen[0].line == 4
    assert analyse("\n\n\ntime.time()").frozen[0].line == 4


def test_type_parameters() -> None:
    source = "def f[T: B](x: T) -> T: return x\nclass A[T]:\n  y: T\ntype P[K] = dict[K, V]"
    found = analyse(source)
    if found.error is None:
        assert found.reads == names("B V dict")
        assert found.stores == names("f A P")
