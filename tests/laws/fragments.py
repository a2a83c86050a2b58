"""The grammar: small pieces of cells over a few names, by theme.

`<i>` is an integer, `<n>` one above 0, `<s>` a string literal, `<kind:x>` an existing name of that kind called x in the piece, `<+kind:x>` a name that the
piece binds, `<x>` the same name again, `<any:x>` any existing name, `<same:x>` a new name of the kind of x.
A piece marked P is pure: a second run of the document may not execute it.
"""

NAMES = {
    "func": "fgh",
    "cls": "CD",
    "arr": "uvw",
    "df": ("df", "dg"),
    "ser": ("s1", "s2"),
    "mod": ("helper", "base"),
    "fact": ("make", "build"),
    "var": "pqr",
    "stack": "k",
}
VALUES = "abcdef"

PIECES = {
    "core": """
P <+int:x> = <i>
P <+int:x> = <i>
P <+str:x> = <s>
P <+list:x> = [<i>, <i>, <i>]
P <+list:x> = [<int:y>, <i>]
P <+set:x> = {<i>, <i>, <i>, <i>}
P <+set:x> = {'k%d' % n for n in range(<i>)}
P <+list:x> = list(<set:y>)
P <+tup:x> = (<i>, <list:y>, <s>)
P <+box:x> = {'k': <list:y>, 'n': <i>}
P <+box:x> = {'k': [<i>], 'n': <i>, 1: 'one', True: 'yes', None: 0.5}
P <+nest:x> = [<list:y>, <list:z>]
P <+nest:x> = [[<i>]] * 3
P <+int:x> = <int:y> + <i>
P <+int:x> = <int:y> * <int:z>
P <+int:x> = sum(<list:y>)
P <+int:x> = len(<list:y>) + len(<set:z>)
P <+str:x> = next(iter(str(<any:y>).split(' at 0x')))[:40]
P <+str:x> = <str:y> * 2
P <+float:x> = <int:y> / 4
P <int:x> += <i>
P <list:x> += [<i>]
P <list:x>.append(<i>)
P <list:x>.append(<int:y>)
P <list:x>.sort(key=lambda n: -n)
P <list:x>[0] = <i>
P <list:x>[:] = <list:x>[::-1]
P <set:x>.add(<i>)
P <set:x>.discard(<i>)
P <box:x>['k'].append(<i>)
P <box:x>['n'] += <i>
P <box:x>.update(n=<i>)
P <nest:x>[0].append(<i>)
P <nest:x>[-1] = <list:y>
P <tup:x>[1].append(<i>)
P <+same:x> = <any:y>
P <+same:x> = <any:y>
P <+list:x> = <box:y>['k']
P <+list:x> = <nest:y>[0]
P <+list:x> = <tup:y>[1]
P <+list:x> = sorted(<list:y>)
P <+list:x> = [n * <i> for n in <list:y>]
P <+box:x> = {'k': <list:y>, 'n': len(<list:z>)}
P if <int:x> > 4:\\n    <+int:y> = <i>\\nelse:\\n    <+int:z> = <i>
P for <+int:i> in range(<i>):\\n    <+int:x> = <i> * 2
P for <+int:x> in <list:y>:\\n    pass
P try:\\n    <+int:x> = <maybe> + 1\\nexcept (NameError, TypeError):\\n    <x> = -1
P <+list:x> = sorted(n for n in ('a', 'b', 'c', 'd') if n in globals())
P <any:x>, <any2:y> = <y>, <x>
P del <any:x>
P if (n := len(<list:x>)) > 2:\\n    <+int:y> = n
P <+list:x> = [*<list:y>, *<list:z>]
P <+int:x> = (lambda *args, **kw: len(args) + len(kw))(*<list:y>, **{'z': 1})
P <+bool:x> = <any:y> is <any:z> and not isinstance(<y>, (int, float, str, bytes, tuple))
P import copy\\n<+box:x> = copy.deepcopy(<box:y>)
P import collections\\n<+cnt:x> = collections.Counter(<str:y>)\\n<x>['q'] += <i>
P from collections import OrderedDict, deque, defaultdict\\n<+box:x> = OrderedDict(n=<i>, k=[<i>])
P from collections import defaultdict\\n<+dd:x> = defaultdict(list)\\n<x>['p'].append(<i>)
P <dd:x>['r'].append(<list:y>)
P <list:x>
P <any:x>
P print(<int:x>, <list:y>)
P print(<s>)
P _x = <i>\\n<+int:y> = _x + 1
  exec('<+int:x> = <int:y> + <i>')
  <+int:x> = eval('<int:y> + <i>')
  <+int:x> = _ if isinstance(_, int) else 0
P _, <+int:x> = <i>, <i>
P for _ in range(<i>):\\n    <+int:x> = <i>
P __version__ = <s>
P try:\\n    <+str:x> = __version__\\nexcept NameError:\\n    <x> = 'none'
  assert <int:x> < 40
""",
    "loops": """
P # @loop max_iter=<n> carry=<int:x>\\n<x> = <x> * 2 % 97 + <i>
P # @loop max_iter=<n> carry=<int:x>\\n# @loop_until <x> > 30\\n<x> += <i>\\nprint(<x>)
P # @loop max_iter=<n> carry=<list:x>\\n<x>.append(len(<x>) + <i>)\\n<+int:y> = sum(<x>)
P # @loop max_iter=<n> carry=<list:x>\\n# @loop_until len(<x>) > <i>\\n<x> = [*<x>, <int:y>]
P # @loop max_iter=<n> carry=<int:x>,<list:y>\\n<y>.append(<x>)\\n<x> += len(<y>)
P # @loop max_iter=<n> carry=<int:x>\\ntry:\\n    seen = seen + 1\\nexcept NameError:\\n    seen = <i>\\n<x> += seen
P # @loop max_iter=<n> carry=<int:x>\\n<list:y>.append(<x>)\\n<x> += len(<y>)
P # @loop max_iter=<n> carry=<int:x>\\nif <x> % 2:\\n    <+int:y> = <x>\\n<x> += 1
  # @loop max_iter=<n> carry=<int:x>\\nassert <x> < 12\\n<x> += <i>
  # @loop max_iter=<n> carry=<int:x>\\n# @loop_until 1 // (<x> - 3) > 5\\n<x> += 1
P import random\\nrandom.seed(<i>)
  # @loop max_iter=<n> carry=<int:x>\\nimport random\\n<x> += random.randrange(9)
  import random\\n<+int:x> = random.randrange(9)
""",
    "variants": """
P # @variant g one\\n<+var:x> = <int:y> + <i>
P # @variant g one\\n<+var:x> = <list:y>\\nprint(<x>)
P # @variant g two\\n<+var:x> = [<i>, <int:y>]
P # @variant g two\\n<list:y>.append(<i>)\\n<+var:x> = sum(<y>)
P # @variant g two\\nimport math\\n<+var:x> = math.floor(<int:y> / 2)
P # @variant g three\\nif <int:y> > 4:\\n    <+var:x> = <i>
  # @variant g three\\nimport random\\n<+var:x> = random.Random(<i>).randrange(9)\\nrandom.seed(<i>)
  # @variant g three\\n<+var:x> = <i> // <i>
P # @variant h one\\n<+var:x> = <i>\\n<+var:z> = [<x>, <list:y>]
P # @variant h two\\n<+var:x> = <var:y>
P # @variant h two\\n<+var:x> = [<int:y>]\\n<+var:z> = <x>
  # @per_variant\\n<+var:z> = str(<var:x>)
  # @per_variant g\\n<+var:z> = [<var:x>, <int:y>]\\nprint(<z>)
  # @per_variant g\\n<+var:z> = <var:x>
  # @per_variant g\\n<+var:z> = <var:x> + <i>
P <+str:x> = str(<var:y>)
P <+list:x> = [<var:y>, <i>]
P <+var:x> = <var:y>
P print(<var:x>)
""",
    "functions": """
P def <+func:f>(x):\\n    return x + <int:y>
P def <+func:f>(x, n=<i>):\\n    return x + n
P def <+func:f>(x, n=<int:y>):\\n    return x * n
P def <+func:f>(x, acc=[]):\\n    acc.append(x)\\n    return len(acc)
P def <+func:f>(x):\\n    return <func:g>(x) + <i>
P def <+func:f>(x):\\n    'Doc <i>.'\\n    <list:l>.append(x)\\n    return sum(<l>)
P def <+func:f>(x):\\n    global counter\\n    counter = globals().get('counter', 0) + x\\n    return counter
P counter = <i>\\ndef <+func:f>(x):\\n    global counter\\n    counter += x\\n    return counter
P def <+fact:m>(n):\\n    def inner(x):\\n        return x + n\\n    return inner
P def <+fact:m>(n):\\n    box = [n]\\n    def inner(x):\\n        box.append(x)\\n        return sum(box)\\n    return inner
P def <+fact:m>(n):\\n    def inner(x):\\n        nonlocal n\\n        n += x\\n        return n\\n    return inner
P <+func:f> = <fact:m>(<i>)
P <+func:f> = <fact:m>(<int:y>)
P <+func:f> = lambda x: x + <int:y>
P <+func:f> = lambda x, n=<int:y>: x - n
P <+fbox:x> = {'fn': <func:f>, 'seen': []}
P <+fbox:x> = {'fn': lambda x: x * <int:y>, 'seen': [<i>]}
P <+int:x> = <fbox:y>['fn'](<i>)
P <fbox:x>['seen'].append(<fbox:x>['fn'](<i>))
P <+int:x> = <func:f>(<i>)
P <+int:x> = <func:f>(<i>)
P <+int:x> = <func:f>(<int:y>)
P <+list:x> = [<func:f>(n) for n in range(3)]
P <+list:x> = list(map(<func:f>, <list:y>))
P print(<func:f>(<i>))
P <func:f>(<i>)
P <+list:x> = sorted(<list:y>, key=<func:f>)
P <func:f>.tag = <i>
P <+int:x> = getattr(<func:f>, 'tag', 0)
P <func:f>.__defaults__ = (<i>,)
P from functools import lru_cache\\n@lru_cache(None)\\ndef <+func:f>(x):\\n    return x + <int:y>
P from functools import partial\\n<+func:f> = partial(<func:g>, <i>)\\n<+int:x> = <i>
P import functools\\ndef deco(fn):\\n    @functools.wraps(fn)\\n    def wrapped(x):\\n        return fn(x) + <i>\\n    return wrapped
P @deco\\ndef <+func:f>(x):\\n    return x * <i>
P def <+func:f>(x):\\n    return eval('x + <int:y>')
P def <+func:f>(x):\\n    return globals()['<int:y>'] + x
P def <+func:f>(x):\\n    from math import floor\\n    return floor(x) + <int:y> if x else <func:g>(x)
P def <+func:f>(x):\\n    return <f>(x - 1) + <int:y> if x > 0 else 0
""",
    "classes": """
P class <+cls:C>:\\n    k = <i>\\n    def m(self):\\n        return self.k + <i>
P class <+cls:C>:\\n    k = <i>\\n    def m(self):\\n        type(self).k += 1\\n        return self.k
P class <+cls:C>:\\n    k = <i>\\n    def m(self, l=[]):\\n        l.append(self.k)\\n        return sum(l)
P class <+cls:C>:\\n    k = <i>\\n    @classmethod\\n    def more(cls):\\n        cls.k += <i>\\n        return cls\\n    def m(self):\\n        return self.more().k
P class <+cls:C>:\\n    k = <int:y>\\n    seen = []\\n    def m(self):\\n        self.seen.append(self.k)\\n        return len(self.seen)
P class <+cls:C>:\\n    def __init__(self):\\n        self.k = <i>\\n        self.l = [<i>]\\n    def m(self):\\n        self.l.append(self.k)\\n        return sum(self.l)
P class <+cls:C>:\\n    k = <i>\\n    def m(self):\\n        return self.k + <func:f>(1)
P class <+cls:C>:\\n    k = <i>\\n    @property\\n    def p(self):\\n        return self.k * <i>\\n    @staticmethod\\n    def s(x):\\n        return x + <i>\\n    def m(self):\\n        return self.p + self.s(1)
P class <+cls:C>:\\n    __slots__ = ('k',)\\n    def __init__(self):\\n        self.k = <i>\\n    def m(self):\\n        return self.k
P class <+cls:C>:\\n    k = <i>\\n    def m(self):\\n        return <int:y> + self.k
P class Sub(<cls:C>):\\n    def m(self):\\n        return super().m() * <i>
P <+inst:x> = Sub()
P <+inst:x> = <cls:C>()
P <+inst:x> = <cls:C>()
P <+list:x> = [<inst:y>.m() for _ in range(2)]
P <+int:x> = <inst:y>.m()
P <inst:x>.k = <i>
P <inst:x>.extra = <list:y>
P <cls:C>.k = <i>
P <cls:C>.m = lambda self: <i>
P <+bool:x> = isinstance(<inst:y>, <cls:C>)
P <+bool:x> = type(<inst:y>) is <cls:C>
P <+obox:x> = {'o': <inst:y>, 'c': <cls:C>}
P <obox:x>['o'].k = <i>
P <+bool:x> = <obox:y>['o'] is <inst:z>
P print(<inst:x>.m())
P <+int:x> = <inst:y>.k
P from dataclasses import dataclass, field\\n@dataclass\\nclass <+dcls:C>:\\n    n: int = <i>\\n    l: list = field(default_factory=list)
P <+dinst:x> = <dcls:C>(<i>)
P <dinst:x>.l.append(<i>)
P <dinst:x>
P <+bool:x> = <dinst:y> == <dcls:C>(<i>)
P import enum\\nclass Color(enum.Enum):\\n    RED = <i>\\n    BLUE = 77
P <+tag:x> = Color.RED
P <+bool:x> = <tag:y> is Color.RED
P from collections import namedtuple\\nPt = namedtuple('Pt', 'p q')
P <+pt:x> = Pt(<i>, <list:y>)
P <+bool:x> = isinstance(<pt:y>, Pt) and <pt:y>.p > 2
P class Ctx:\\n    def __enter__(self):\\n        self.n = <i>\\n        return self\\n    def __exit__(self, *e):\\n        self.n += 1
P with Ctx() as <+ctx:x>:\\n    <+int:y> = <x>.n
P class Meta(type):\\n    reg = []\\n    def __new__(m, n, b, d):\\n        m.reg.append(n)\\n        return super().__new__(m, n, b, d)
P class Reg(metaclass=Meta):\\n    k = <i>
P <+list:x> = [len(Meta.reg)]
""",
    "generators": """
  <+gen:x> = (n * <i> for n in range(6))
  <+gen:x> = iter(<list:y>)
  def gen(n):\\n    while n:\\n        yield n\\n        n -= 1
  <+gen:x> = gen(<i>)
  <+int:x> = next(<gen:y>, -1)
  <+list:x> = [next(<gen:y>, 0), <i>]
  <+list:x> = list(<gen:y>)
  <+gen:x> = zip(<list:y>, <gen:z>)
  import itertools\\n<+inf:x> = itertools.islice(itertools.count(<i>), 50)\\n<+int:y> = next(<x>)
  <+fbox:x> = {'fn': <gen:y>.__next__, 'seen': [<gen:y>]}
  <+int:x> = next(<inf:y>)
""",
    "numpy": """
P import numpy as np
P import numpy as np\\n<+arr:x> = np.arange(<i> + 3)
P <+arr:x> = np.arange(6)
P <+arr:x> = np.ones(4, dtype='float32') * <i>
P <+arr:x> = <arr:y>[1:]
P <+arr:x> = <arr:y>[::-1]
P <arr:x>[0] = <i>
P <arr:x>[1:] += <i>
P <arr:x> += <i>
P np.add(<arr:x>, 1, out=<arr:x>)
P <arr:x>.sort()
P <+arr:x> = <arr:y> * <i>
P <+arr:x> = <arr:y>.reshape(-1, 1)
P <+int:x> = int(<arr:y>.sum())
P <+box:x> = {'k': [<arr:y>], 'n': <i>, 'arr': <arr:y>}
P <arr:x>
P <+float:x> = np.float32(<i>)
  <arr:x>.setflags(write=False)
  np.random.seed(<i>)
  <+arr:x> = np.random.rand(3)
  <+rng:x> = np.random.default_rng(<i>)
  <+int:y> = int(<rng:x>.integers(100))
  np.set_printoptions(precision=2)
  print(<arr:x> / 3)
""",
    "pandas": """
P import pandas as pd
P import pandas as pd\\n<+df:x> = pd.DataFrame({'p': [<i>, <i>, <i>], 'q': ['x', 'y', 'x']})
P <+df:x> = pd.DataFrame({'p': [<i>, <i>]})
P <df:x>['n'] = <df:x>['p'] * <i>
P <df:x>['m'] = <int:y>
P <df:x>.drop(columns='p', inplace=True)
P <df:x>.loc[0, 'p'] = <i>
P <+df:x> = <df:y>
P <+df:x> = <df:y>.query('p > @<int:y2>')
P <+ser:x> = <df:y>['p']
P <ser:x>.iloc[0] = <i>
P <+int:x> = int(<df:y>['p'].sum())
P <+list:x> = list(<df:y>.columns)
P <+df:x> = <df:y>.assign(z=lambda d: d['p'] + <int:y2>)
P <df:x>
P <+box:x> = <df:y>.groupby('q')['p'].sum().to_dict()
  pd.set_option('display.max_rows', 2)
  <df:x>.to_csv('t.csv', index=False)
  <+df:x> = pd.read_csv('t.csv')
""",
    "files": """
P <+str:x> = open('in.txt').read()
P <+int:x> = len(open('in.txt').readlines())
P with open('in.txt') as fh:\\n    <+list:x> = [len(line) for line in fh]
  open('out.txt', 'w').write(<s>)
  with open('out.txt', 'w') as fh:\\n    fh.write(str(<any:y>)[:20])
  with open('out.txt', 'w') as fh:\\n    fh.write(str(<int:y>))
  with open('out.txt', 'a') as fh:\\n    fh.write(<s>)
  <+str:x> = open('out.txt').read()
  <+str:x> = open('out.txt').read()
  import os\\n<+bool:x> = os.path.exists('out.txt')
  import os\\n<+list:x> = sorted(os.listdir('.'))
  import os\\n<+list:x> = sorted(os.listdir('dir')) if os.path.isdir('dir') else []
  import os\\nos.makedirs('dir', exist_ok=True)\\nopen('dir/n<i>.txt', 'w').close()
  import os\\nif os.path.exists('out.txt'):\\n    os.remove('out.txt')
  from pathlib import Path\\nPath('p.txt').write_text(<s>)
  from pathlib import Path\\n<+str:x> = Path('p.txt').read_text() if Path('p.txt').exists() else 'none'
  from pathlib import Path\\n<+list:x> = sorted(p.name for p in Path().glob('*.txt'))
  <+file:x> = open('in.txt')
  <+str:x> = <file:y>.readline()
  <+str:x> = next(<file:y>, 'end')
  <file:x>.seek(<i>)
  import os\\n<+int:x> = os.stat('in.txt').st_size
  import json\\njson.dump({'n': <int:y>}, open('j.json', 'w'))
  import json, os\\n<+int:x> = json.load(open('j.json'))['n'] if os.path.exists('j.json') else 0
  import os\\nos.rename('out.txt', 'moved.txt') if os.path.exists('out.txt') else None
  try:\\n    <+str:x> = open('absent.txt').read()\\nexcept FileNotFoundError:\\n    <x> = 'absent'
  path = 'in.txt'
  <+str:x> = open(path).readline()
  import io\\n<+file:x> = io.StringIO(<s>)
  import shutil\\n_ = shutil.copy('in.txt', 'copy.txt')
""",
    "modules": """
P import helper
P from helper import g as hg
P from base import K
P <+int:x> = helper.g(<i>)
P <+int:x> = hg(<i>)
P <+int:x> = K + <i>
P import pkg.inner\\n<+int:x> = pkg.inner.N
  helper.state.append(<i>)
  <+int:x> = len(helper.state)
  helper.LIMIT = <i>
  <+int:x> = helper.over(<i>)
  <+int:x> = helper.tune(<i>)
  helper.tune(<i>)
  <+int:x> = helper.keep(<i>)
  <+int:x> = helper.SETTINGS.deepen(<i>)
  <+inst:x> = helper.SETTINGS
  <+int:x> = helper.stamp(<i>)
  <+str:x> = str(helper.told())
  <+list:x> = helper.state
  import importlib\\n_ = importlib.reload(helper)
P def <+func:f>(x):\\n    import helper\\n    return helper.g(x)
P <+inst:x> = helper.Thing()
P <+int:x> = <inst:y>.m()
""",
    "process": """
  import os
  import os\\nos.environ['LAW_A'] = '<i>'
  import os\\n<+str:x> = os.environ.get('LAW_A', 'none')
  import os\\n<+str:x> = os.getenv('LAW_B', 'none')
  import os\\nos.environ.pop('LAW_A', None)
  %env LAW_B=<i>
  import os\\nos.makedirs('sub', exist_ok=True)\\nos.chdir('sub')
  import os\\n<+str:x> = os.path.basename(os.getcwd())[:3]
  import decimal\\ndecimal.getcontext().prec = <i> + 2
  import decimal\\n<+str:x> = str(decimal.Decimal(1) / 7)
  import collections\\ncollections.Counter.law = lambda self: <i>
  import collections\\n<+int:x> = getattr(collections.Counter, 'law', lambda self: -1)(collections.Counter())
  import warnings\\nwarnings.simplefilter('ignore')
  import warnings\\nwith warnings.catch_warnings(record=True) as caught:\\n    warnings.warn('w')\\n<+int:x> = len(caught)
  import sys\\nsys.setrecursionlimit(2<i>00)
  import sys\\n<+int:x> = sys.getrecursionlimit()
  import sys\\nsys.path.append('/law/<i>')
  import sys\\n<+int:x> = sum(p.startswith('/law') for p in sys.path)
  import logging\\nlogging.getLogger('law').setLevel(<i> * 10)
  import logging\\n<+int:x> = logging.getLogger('law').level
  import builtins\\nbuiltins.law_value = <i>
  import builtins\\n<+int:x> = getattr(builtins, 'law_value', -1)
  import math\\nmath.law = <i>
  import math\\n<+int:x> = getattr(math, 'law', -1)
  import locale, json\\njson.encoder.FLOAT_REPR = <i>
""",
    "callbacks": """
  import math\\nmath.hook = lambda x: <list:l>.append(x) or len(<l>)
  import math\\nmath.hook = <func:f>
  import math\\n<+int:x> = math.hook(<i>) if hasattr(math, 'hook') else -1
  import math\\nif hasattr(math, 'hook'):\\n    math.hook(<i>)
  import math\\nif hasattr(math, 'hook'):\\n    del math.hook
  import math\\nsetattr(math, 'hook', <list:l>.append)
  import logging\\nclass Keep(logging.Handler):\\n    def emit(self, record):\\n        <list:l>.append(len(record.getMessage()))\\nlogging.getLogger('laws').addHandler(Keep())
  import io, logging\\n<+file:x> = io.StringIO()\\nlogging.getLogger('laws').addHandler(logging.StreamHandler(<x>))
  import logging\\nlogging.getLogger('laws').warning('w%d', <i>)
  import logging\\n<+int:x> = len(logging.getLogger('laws').handlers)
  import logging\\nlogging.getLogger('laws').handlers.clear()
  import io\\n<+file:x> = io.StringIO()
  <+str:x> = <file:y>.getvalue()
  import contextlib\\n<+stack:x> = contextlib.ExitStack()\\n_ = <x>.enter_context(contextlib.redirect_stdout(<file:y> if hasattr(<y>, 'flush') else __import__('io').StringIO()))
  <stack:x>.close()
  print(<i>)
  import warnings\\nwarnings.showwarning = lambda *a, **k: <list:l>.append(len(a))
  import warnings\\nwarnings.simplefilter('always')\\nwarnings.warn('law')
  def told(*a):\\n    try:\\n        <list:l>.append(<i>)\\n    except (NameError, AttributeError):\\n        pass\\nget_ipython().events.register('post_run_cell', told)
  import weakref\\nclass Held:\\n    pass\\nheld = Held()\\n_ = weakref.finalize(held, <list:l>.append, <i>)
  held = None
  import functools\\n@functools.singledispatch\\ndef <+disp:f>(x):\\n    return <i>
  @<disp:f>.register\\ndef _(x: int):\\n    return <list:l>.append(x) or len(<l>)
  <+int:x> = <disp:f>(<i>)
  import builtins\\nbuiltins.law_hook = <list:l>.append
  import builtins\\ngetattr(builtins, 'law_hook', abs)(<i>)
""",
    "random": """
  import random\\nrandom.seed(<i>)
  import random, numpy as np\\nrandom.seed(<i>)\\nnp.random.seed(<i>)
  <+int:x> = random.randint(0, 1000)
  <+list:x> = [random.randint(0, 9) for _ in range(3)]
  random.shuffle(<list:x>)
  <+int:x> = int(np.random.randint(1000))
  <+rnd:x> = random.Random(<i>)
  <+int:x> = <rnd:y>.randint(0, 1000)
  <+rnd:x> = <rnd:y>
  state = random.getstate()
  random.setstate(state)
  def <+func:f>(x):\\n    return random.randint(0, 100) + x
  <+int:x> = <func:f>(<i>)
  print(random.random())
""",
    "displays": """
P from IPython.display import display, clear_output, update_display, HTML
P import sys
P display(<any:x>)
P display(<i>, <s>)
P print('out', <i>)\\nprint('err', file=sys.stderr)
P h = display(<i>, display_id=True)
P h.update(<i>)
P display(<s>, display_id='one')
P update_display(<i>, display_id='one')
P print('gone')\\nclear_output()\\nprint('kept', <i>)
P for k in range(<i>):\\n    clear_output(wait=True)\\n    print('step', k)
P print('x')\\ndisplay(<i>)\\nprint('y')
P print('a' * <i>, end='\\r')\\nprint('b')
P display(HTML('%d' % <i>))
P <any:x>;
P <+int:x> = <i>\\n<x>
P print(<s>, end='')\\nprint(<s>)
P class Shown:\\n    def __repr__(self):\\n        return 'shown %d' % <int:y>\\nShown()
""",
    "magics": """
  %%time\\n<+int:x> = <i>\\nprint(<x>)
  %%capture cap\\nprint(<i>)\\n<+int:x> = <i>
  <+str:x> = cap.stdout
  %time <+int:x> = <i>
  %%writefile w.txt\\nline <i>
  <+str:x> = open('w.txt').read()
  import asyncio\\nawait asyncio.sleep(0)\\n<+int:x> = <i>
  async def co(x):\\n    return x + <i>\\n<+int:y> = await co(1)
  <+int:x> = await co(<i>)
  <+int:x> = get_ipython().user_ns['<int:y>'] + 1
  !echo <i>
  <+lines:x> = !echo {<int:y>}
  print(list(<lines:x>))
  %%bash\\necho <i>
  import subprocess\\n<+str:x> = subprocess.run(['echo', '<i>'], capture_output=True, text=True).stdout
""",
}
FILES = {
    "files": {"in.txt": "one\ntwo\nthree\n"},
    "modules": {
        "helper.py": "from base import K\nstate = []\nLIMIT = 5\n\n\ndef g(x):\n    return x + K\n\n\ndef over(x):\n    return x > LIMIT\n\n\n"
        "class Thing:\n    k = 3\n\n    def m(self):\n        return self.k + K\n\n\n"
        "class Settings(Thing):\n    def deepen(self, n):\n        self.k += n\n        return self.k\n\n\n"
        "SETTINGS = Settings()\nkept = {}\n\n\ndef tune(n):\n    global LIMIT\n    LIMIT = n\n    return n + 1\n\n\n"
        "def keep(n, calls=[]):\n    calls.append(n)\n    kept[n] = len(kept)\n    return len(calls)\n\n\n"
        "def stamp(n):\n    Thing.k = n\n    return n\n\n\n"
        "def told():\n    return LIMIT, kept, SETTINGS.k, Thing.k, keep.__defaults__\n",
        "base.py": "K = 1\n",
        "pkg/__init__.py": "",
        "pkg/inner.py": "from base import K\nN = K + 10\n",
    },
}
