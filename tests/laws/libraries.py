"""More of the grammar: what notebooks do with libraries. Each of these costs a kernel the import of its library."""

NAMES = {
    "model": ("clf", "reg"),
    "pdf": ("pf", "pg"),
    "tab": ("t1", "t2"),
    "con": ("con",),
    "fig": ("fig",),
    "ax": ("ax",),
    "table": ("left", "right"),
    "when": ("day",),
}

PIECES = {
    "frames": """
P import pandas as pd\\n<+table:x> = pd.DataFrame({'p': [<i>, <i>, <i>], 'q': ['x', 'y', 'x'], 'r': [0.5, <i>, 2.5]})
P import pandas as pd\\n<+table:x> = pd.DataFrame({'p': [<i>, <i>]}, index=['a', 'b'])
P <+table:x> = <table:y>
P <+table:x> = <table:y>[['p']]
P <+table:x> = <table:y>.copy()
P <table:x>['n'] = <table:x>['p'] * <i>
P <table:x>.insert(0, 'first', <i>)
P <table:x>.columns = [c.upper() for c in <table:x>.columns]
P <table:x>.columns = [c.lower() for c in <table:x>.columns]
P <table:x>.index.name = 'row<i>'
P <table:x>.attrs['source'] = [<i>]
P <table:x>.iloc[0, 0] = <i>
P <table:x>.loc[len(<table:x>)] = <table:x>.iloc[0]
P <table:x>['p'] = <table:x>['p'].astype('category')
P <table:x>.sort_values('p', ascending=False, inplace=True)
P <table:x>.rename(columns={'p': 'p', 'q': 'k'}, inplace=True)
P <table:x>.pop('q')
P <+ser:x> = <table:y>['p']
P <+ser:x> = <table:y>['p'].map(lambda v: v + <int:n>)
P <+ser:x> = <table:y>.groupby('q')['p'].sum()
P <ser:x>.iloc[0] = <i>
P <ser:x>.name = 's<i>'
P <+table:x> = <table:y>.merge(<table:z>, how='left', left_index=True, right_index=True, suffixes=('', '_r'))
P <+table:x> = pd.concat([<table:y>, <table:z>])
P <+table:x> = <table:y>.query('p > @<int:n>')
P <+table:x> = <table:y>.apply(lambda col: col.map(str) + 'c<i>')
P <+table:x> = <table:y>.describe()
P <+groups:x> = <table:y>.groupby('q')
P <+int:x> = len(<groups:y>)
P <+list:x> = [sorted(map(str, k)) if isinstance(k, tuple) else str(k) for k, _ in <groups:y>]
P <+when:x> = pd.Timestamp('2024-01-0<n>', tz='UTC')
P <+table:x> = pd.DataFrame({'p': pd.date_range('2024-01-01', periods=<n>)})
P <+table:x> = pd.DataFrame({'p': pd.array([<i>, None, <i>], dtype='Int64'), 'q': pd.array(['x', None, 'y'], dtype='string')})
P <+table:x> = pd.DataFrame({'p': [[<i>], [<i>]], 'q': ['x', 'y']})
P <table:x>['p'].iloc[0].append(<i>) if isinstance(<table:x>['p'].iloc[0], list) else None
P <table:x>
P <table:x>.head(1)
P display(<table:x>)
P print(<table:x>)
P for <+int:i>, row in <table:y>.iterrows():\\n    pass
P <+arr:x> = <table:y>['p'].to_numpy()
P <+arr:x> = <table:y>[['p']].to_numpy()
P <+list:x> = <table:y>.to_dict('records')
  pd.options.display.max_columns = <n>
  pd.set_option('display.precision', <n>)
  pd.reset_option('display.precision')
  pd.DataFrame.law = lambda self: <i>
  <+int:x> = <table:y>.law() if hasattr(pd.DataFrame, 'law') else -1
  with pd.option_context('display.max_rows', <n>):\\n    print(<table:y>)
P <table:x>.note = <i>
P <+int:x> = getattr(<table:y>, 'note', -1)
P import pyarrow as pa\\n<+tab:x> = pa.Table.from_pandas(<table:y>[['p']])
P <+list:x> = <tab:y>.to_pylist()
  <table:x>.astype(str).to_json('t.json', orient='split')
  <+table:x> = pd.read_json('t.json', orient='split')
  <table:x>.sample(2, replace=True)
  <+table:x> = <table:y>.sample(frac=1, random_state=<i>)
  np.random.seed(<i>)
  <table:x>['noise'] = np.random.rand(len(<table:x>))
""",
    "arrays": """
P import numpy as np
P <+arr:x> = np.arange(12.0).reshape(3, 4) + <i>
P <+arr:x> = np.asfortranarray(np.arange(6).reshape(2, 3)) * <i>
P <+arr:x> = <arr:y>.T
P <+arr:x> = <arr:y>.ravel()
P <+arr:x> = <arr:y>[..., :1]
P <+arr:x> = np.broadcast_to(<arr:y>, (2, *<arr:y>.shape))
P <+arr:x> = np.lib.stride_tricks.sliding_window_view(np.arange(5) + <i>, 2)
P <+arr:x> = <arr:y>.view('uint8') if <arr:y>.flags.c_contiguous and <arr:y>.ndim else np.zeros(1)
P <+arr:x> = np.array([<list:y>, <i>, None], dtype=object)
P <+arr:x> = np.zeros(3, dtype=[('a', 'i4'), ('b', 'f8')])\\n<x>['a'] = <i>
P <+arr:x> = np.ma.masked_greater(np.arange(5), <i>)
P <+arr:x> = np.array(['2024-01-01', 'NaT'], dtype='datetime64[D]')
P <+arr:x> = np.array([<s>, 'longer'])
P <+arr:x> = np.array(<i>)
P <+arr:x> = np.array([float('nan'), -0.0, <i>])
P <+arr:x> = np.linspace(0, 1, <n>) + 1j * <i>
P <arr:x>[...] = <i>
P <arr:x>.flat[0] = <i>
P <arr:x>.shape = (-1,)
P np.copyto(<arr:x>, <i>, casting='unsafe')
P <+list:x> = list(<arr:y>.ravel()[:2])
P <+box:x> = {'k': list(<arr:y>.shape), 'n': <i>, 'whole': <arr:y>, 'part': <arr:y>[:1]}
P <+nest:x> = [<arr:y>, <arr:y>]
P <+bool:x> = bool(np.shares_memory(<arr:y>, <arr:z>))
P <+bool:x> = <arr:y>.base is <arr:z>
P <+float:x> = <arr:y>.ravel()[0]
P <+arr:x> = np.vectorize(lambda v: str(v) + 's<i>', otypes=[object])(<arr:y>)
P <+func:f> = np.frompyfunc(lambda v: v + <int:y>, 1, 1)
P <+int:x> = <func:f>(<i>)
P <+uni:x> = np.poly1d([<i>, 1])
P <+float:x> = <uni:y>(<i>)
P <arr:x>
P print(<arr:x>)
P class Tagged(np.ndarray):\\n    tag = <i>
P <+arr:x> = np.arange(3).view(Tagged)
P <arr:x>.note = <i>
  np.save('a.npy', <arr:x>)
  <+arr:x> = np.load('a.npy', allow_pickle=True)
  <+arr:x> = np.load('a.npy', mmap_mode='r')
  np.savez('z.npz', first=<arr:x>)
  with np.load('z.npz', allow_pickle=True) as stored:\\n    <+arr:x> = stored['first']
  <+arr:x> = np.memmap('m.bin', dtype='int8', mode='w+', shape=(4,))\\n<x>[:] = <i>\\n<x>.flush()
  <+arr:x> = np.fromfile('m.bin', dtype='int8')
  <+rng:x> = np.random.default_rng(<i>)
  <+arr:x> = <rng:y>.normal(size=2)
  <+rng:x> = np.random.RandomState(<i>)\\n<+int:y> = int(<x>.randint(100))
  <+list:x> = <rng:y>.bit_generator.spawn(1) if hasattr(<rng:y>, 'bit_generator') and hasattr(<rng:y>.bit_generator, 'spawn') else []
  np.seterr(all='raise')
  np.seterr(all='ignore')
  <+arr:x> = np.arange(3) / 0
  with np.errstate(all='ignore'):\\n    <+arr:x> = np.arange(3) / 0
  with np.printoptions(precision=<n>):\\n    print(np.array([1 / 3]))
""",
    "learning": """
P from sklearn.linear_model import LogisticRegression, SGDClassifier
P from sklearn.datasets import load_iris\\nX, y_true = load_iris(return_X_y=True)\\n<+arr:x> = X[::9]
P <+model:x> = LogisticRegression(C=<n>, max_iter=<n>0)
P <+model:x> = SGDClassifier(random_state=<i>, max_iter=5)
P import warnings\\nwarnings.filterwarnings('ignore')
P <model:x>.fit(X, y_true)
P <+list:x> = <model:y>.predict(X[::50]).tolist() if hasattr(<model:y>, 'coef_') else []
P <model:x>.set_params(max_iter=<n>5)
P <model:x>.coef_[0] = <i>
P <+model:x> = <model:y>
P from sklearn.base import clone\\n<+model:x> = clone(<model:y>)
P from sklearn.pipeline import make_pipeline\\nfrom sklearn.preprocessing import StandardScaler\\n<+pipe:x> = make_pipeline(StandardScaler(), <model:y>)
P <pipe:x>.fit(X, y_true)
P <pipe:x>[-1].C = <n>
P <+bool:x> = <pipe:y>[-1] is <model:z>
P <+float:x> = round(float(<model:y>.score(X, y_true)), 6) if hasattr(<model:y>, 'coef_') else -1.0
P <model:x>
P <+list:x> = sorted(map(str, <model:y>.get_params()))
  from sklearn.model_selection import train_test_split\\nX, X_test, y_true, y_test = train_test_split(X, y_true, random_state=<i>)
  import numpy as np\\nnp.random.seed(<i>)
  <+model:x> = SGDClassifier(max_iter=3)
  X = X + np.random.normal(size=X.shape)
  import sklearn\\nsklearn.set_config(display='text')
  import joblib\\njoblib.dump(<model:x>, 'model.joblib')
  import joblib, os\\n<+model:x> = joblib.load('model.joblib') if os.path.exists('model.joblib') else LogisticRegression()
  <+int:x> = len(sklearn.get_config()) if 'sklearn' in globals() else 0
""",
    "columns": """
P import polars as pl
P import polars as pl\\n<+pdf:x> = pl.DataFrame({'p': [<i>, <i>], 'q': ['x', 'y']})
P <+pdf:x> = <pdf:y>.with_columns((pl.col('p') * <i>).alias('n'))
P <+pdf:x> = <pdf:y>
P <+pdf:x> = <pdf:y>.lazy().filter(pl.col('p') > <int:n>).collect()
P <+lazy:x> = <pdf:y>.lazy().select(pl.col('p') + <int:n>)
P <+pdf:x> = <lazy:y>.collect()
P <pdf:x>[0, 'p'] = <i>
P <pdf:x>.insert_column(0, pl.Series('new<i>', [1] * len(<pdf:x>)))
P <pdf:x>.columns = [f'c{k}' for k in range(<pdf:x>.width)]
P <+list:x> = <pdf:y>.rows()
P <+pdf:x> = <pdf:y>.with_columns(pl.col('p').map_elements(lambda v: v + <int:n>, return_dtype=pl.Int64).alias('m'))
P <pdf:x>
P print(<pdf:x>)
P import numpy as np\\n<+arr:x> = np.arange(3)
P <arr:x>[0] = <i>
P <+arr:x> = <arr:y>[1:]
P <+pdf:x> = pl.DataFrame({'p': <arr:y>})
P <+arr:x> = <pdf:y>['p'].to_numpy()
P <+tab:x> = pa.table({'p': <arr:y>})
P <+tab:x> = <tab:y>.slice(1)
P <pdf:x>.note = <i>
P <+int:x> = getattr(<pdf:y>, 'note', -1)
  <+rdr:x> = <tab:y>.to_reader()
  <+list:x> = <rdr:y>.read_next_batch().to_pylist()
  import pyarrow.dataset as pds\\n<+files:x> = pds.dataset('p.csv', format='csv')
  <+list:x> = <files:y>.to_table().to_pylist()
  <+list:x> = <lazy:y>.collect().rows()
P from PIL import Image\\n<+img:x> = Image.fromarray(<arr:y>.astype('uint8').reshape(1, -1))
P <+img:x> = Image.fromarray(<arr:y>.view('uint8').reshape(1, -1))
P <+list:x> = list(<img:y>.tobytes())
P <img:x>.putpixel((0, 0), <i>)
P import pyarrow as pa\\n<+tab:x> = pa.table({'p': [<i>, <i>]})
P <+tab:x> = <tab:y>.append_column('n<i>', [[1] * len(<tab:y>)])
P <+list:x> = <tab:y>.to_pylist()
P <+pdf:x> = pl.from_arrow(<tab:y>)
P <+tab:x> = <pdf:y>.to_arrow()
  <pdf:x>.write_csv('p.csv')
  <+pdf:x> = pl.read_csv('p.csv')
  <+lazy:x> = pl.scan_csv('p.csv')
  <pdf:x>.write_parquet('p.parquet')
  <+pdf:x> = pl.read_parquet('p.parquet')
  import pyarrow.parquet as pq\\n<+tab:x> = pq.read_table('p.parquet')
  pl.Config.set_tbl_rows(<n>)
""",
    "databases": """
P import sqlite3, duckdb
  <+con:x> = sqlite3.connect(':memory:')\\n_ = <x>.execute('create table t(n)')
  <+con:x> = sqlite3.connect('t.db')\\n_ = <x>.execute('create table if not exists t(n)')
  <con:x>.execute('insert into t values (?)', (<i>,))\\n<con:x>.commit()
  <+list:x> = [list(r) for r in <con:y>.execute('select * from t').fetchall()]
  <+int:x> = <con:y>.execute('select count(*) from t').fetchone()[0]
  <con:x>.close()
  <+con:x> = duckdb.connect()\\n_ = <x>.execute('create table t(n int)')
  <+con:x> = <con:y>
  <+int:x> = duckdb.sql('select <i> + <int:y>').fetchone()[0]
  duckdb.sql('create or replace table shared as select <i> as n')
  <+list:x> = [list(r) for r in duckdb.sql('from shared').fetchall()]
  import pandas as pd\\n<+table:x> = pd.DataFrame({'n': [<i>, <i>]})
  <+int:x> = int(duckdb.sql('select sum(n) from left').fetchone()[0])
  <+table:x> = duckdb.sql('select n + 1 as n from right').df()
  <table:x>.loc[0, 'n'] = <i>
  duckdb.sql("copy (select <i> as n) to 'c.csv'")
  <+list:x> = [list(r) for r in duckdb.sql("from 'c.csv'").fetchall()]
  <+list:x> = [list(r) for r in sqlite3.connect('t.db').execute('select * from t')]
""",
    "figures": """
P import matplotlib.pyplot as plt
P <+fig:x>, <+ax:y> = plt.subplots()
P <+fig:x>, <+ax:y> = plt.subplots(figsize=(<n>, 2))\\n_ = <y>.plot([1, <i>])
P _ = <ax:x>.plot([<i>, <i>])
P _ = <ax:x>.set_title(<s> + 't')
P _ = <ax:x>.plot(<list:y>)
P <+int:x> = len(<ax:y>.lines)
P <+str:x> = <ax:y>.get_title()
P <+bool:x> = <fig:y>.axes[:1] == [<ax:z>]
P <+bool:x> = plt.gcf() is <fig:y>
  plt.close('all')
  plt.close()
  _ = plt.plot([1, <i>])
  _ = plt.title('t<i>')
  <+list:x> = plt.get_fignums()
  plt.rcParams['lines.linewidth'] = <n>
  <+float:x> = plt.rcParams['lines.linewidth']
  plt.style.use('ggplot')
  with plt.rc_context({'lines.linewidth': <n>}):\\n    _ = plt.plot([<i>])
  <fig:x>.savefig('f.png')
  import matplotlib\\n<+str:x> = matplotlib.get_backend().lower()[:3]
  <+str:x> = str(plt.gca().get_title())
  plt.switch_backend('agg')
""",
    "typed": """
P from pydantic import BaseModel\\nclass Item(BaseModel):\\n    n: int = <i>\\n    l: list = []
P <+item:x> = Item(n=<i>)
P <item:x>.n = <i>
P <item:x>.l.append(<i>)
P <+item:x> = <item:y>.model_copy(update={'n': <int:z>})
P <+bool:x> = isinstance(<item:y>, Item)
P class More(Item):\\n    extra: str = <s>
P <+item:x> = More()
P <item:x>
P <+str:x> = <item:y>.model_dump_json()
P import attrs\\n@attrs.define\\nclass Pair:\\n    a: int = <i>\\n    b: list = attrs.field(factory=list)
P <+pair:x> = Pair(<i>)
P <pair:x>.b.append(<i>)
P <pair:x>.a = <i>
P <+bool:x> = <pair:y> == Pair(<i>)
P from typing import Protocol, NamedTuple, TypedDict, Generic, TypeVar\\nT = TypeVar('T')
P class Spot(NamedTuple):\\n    a: int = <i>\\n    b: list = [<i>]
P <+spot:x> = Spot(<i>, <list:y>)
P <+spot:x> = Spot()
P <spot:x>.b.append(<i>)
P <+bool:x> = type(<spot:y>) is Spot
P class Box(Generic[T]):\\n    def __init__(self, v):\\n        self.v = v
P <+gbox:x> = Box[int](<int:y>)
P <gbox:x>.v = <list:y>
P import abc\\nclass Base(abc.ABC):\\n    @abc.abstractmethod\\n    def m(self): ...
P class Real(Base):\\n    def m(self):\\n        return <i>
P <+real:x> = Real()
P <+int:x> = <real:y>.m()
P class Field:\\n    def __set_name__(self, owner, name):\\n        self.name = name\\n        owner.fields = [*getattr(owner, 'fields', []), name]\\n    def __get__(self, obj, owner=None):\\n        return self if obj is None else obj.__dict__.get(self.name, <i>)
P class Row:\\n    u = Field()\\n    v = Field()
P <+row:x> = Row()
P <+list:x> = [<row:y>.u, Row.fields]
P <row:x>.__dict__['u'] = <i>
P class Root:\\n    kinds = []\\n    def __init_subclass__(cls, **kw):\\n        Root.kinds.append(cls.__name__)
P class Leaf(Root):\\n    z = <i>
P <+int:x> = len(Root.kinds)
P class Key:\\n    def __init__(self, n):\\n        self.n = n\\n    def __hash__(self):\\n        return hash(self.n)\\n    def __eq__(self, other):\\n        return isinstance(other, Key) and self.n == other.n
P <+kd:x> = {Key(<i>): [<i>], Key(<i>): 'b'}
P <+int:x> = len(<kd:y>)
P <+bool:x> = Key(<i>) in <kd:y>
P <kd:x>[Key(<i>)] = <list:y>
P class Err(Exception):\\n    code = <i>
P try:\\n    raise Err(<i>)\\nexcept Err as e:\\n    <+err:x> = e
P <+list:x> = [<err:y>.code, *<err:y>.args]
P <+bool:x> = isinstance(<err:y>, Err)
P import functools\\nclass Lazy:\\n    @functools.cached_property\\n    def big(self):\\n        return [<i>]
P <+lazyone:x> = Lazy()
P <+list:x> = <lazyone:y>.big
P @functools.total_ordering\\nclass Ord:\\n    def __init__(self, n):\\n        self.n = n\\n    def __lt__(self, o):\\n        return self.n < o.n\\n    def __eq__(self, o):\\n        return self.n == o.n
P <+list:x> = [o.n for o in sorted([Ord(<i>), Ord(<i>)])]
P import enum\\nclass Flag(enum.Flag):\\n    A = enum.auto()\\n    B = enum.auto()
P <+flag:x> = Flag.A | Flag.B
P <+bool:x> = Flag.A in <flag:y>
""",
    "syntax": """
P match <int:x>:\\n    case 0 | 1:\\n        <+str:y> = 'few'\\n    case n if n > <i>:\\n        <+str:z> = 'many'\\n    case _:\\n        pass
P match <list:x>:\\n    case [first, *rest]:\\n        <+list:y> = rest\\n    case _:\\n        <+list:y> = []
P (<+int:x>, *<+list:y>) = [<i>, <i>, *<list:z>]
P [<+int:x>, [<+int:y>, <+int:z>]] = [<i>, [<i>, <i>]]
P <+int:x> = <+int:y> = <i>
P <+list:x> = <+nest:y> = [[<i>]]
P <+int:x>: int = <i>
P bare: int
P <+list:x> = sorted(__annotations__) if '__annotations__' in globals() else []
P while <int:x> < <i>:\\n    <x> += 3\\nelse:\\n    <+int:y> = <i>
P for <+int:x> in range(<i>):\\n    if <x> == 2:\\n        break\\nelse:\\n    <+str:y> = 'all'
P try:\\n    <+int:x> = 1 // <int:y>\\nexcept ZeroDivisionError as e:\\n    <+str:z> = str(e)\\nelse:\\n    <+str:z> = 'fine'\\nfinally:\\n    <+int:w> = <i>
P try:\\n    raise ExceptionGroup('g', [ValueError(<i>)])\\nexcept* ValueError as eg:\\n    <+list:x> = [e.args[0] for e in eg.exceptions]
P <+list:x> = [k for k in range(<i>) if (last := k) >= 0]
P <+set:x> = {*<list:y>} if all(isinstance(v, int) for v in <list:y>) else set()
P <+box:x> = {'k': [], 'n': 0, **<box:y>}
P <+list:x> = [lambda: k for k in range(3)][0]() and [] or [<i>]
P <+cells:x> = [lambda k=k: k + <int:y> for k in range(3)]
P <+int:x> = <cells:y>[<i> % 3]()
P <+str:x> = f'{<int:y>!r:>4}|{<list:z>}'
P <+int:x> = (lambda: (yield))().gi_frame.f_lineno * 0 + <i>
P <list:x>[:1] = []
P <box:x>.pop('k', None)
P <box:x>.setdefault('k', []).append(<i>)
P <int:x>, <+int:y> = <i>, <int:x>
P <list:x>[0], <+int:y> = <i>, <list:x>[0]
P <+int:x> = <i> if <int:y> else <i>
P if <int:x>:\\n    def choose(v):\\n        return v + <i>\\nelse:\\n    def choose(v):\\n        return v - <i>
P <+int:x> = choose(<i>)
P from math import *\\n<+int:x> = floor(<i> + 0.5)
P import math as mm, json as jj\\n<+int:x> = mm.floor(<i> / 2)
P from collections import abc as cabc\\n<+bool:x> = isinstance(<list:y>, cabc.Sequence)
P def outer():\\n    hidden = [<i>]\\n    class In:\\n        def get(self):\\n            return hidden\\n    return In()
P <+inobj:x> = outer()
P <inobj:x>.get().append(<i>)
P <+int:x> = sum(<inobj:y>.get())
P def rec(n, memo={}):\\n    if n not in memo:\\n        memo[n] = n if n < 2 else rec(n - 1) + rec(n - 2)\\n    return memo[n]
P <+int:x> = rec(<i>)
P <+int:x> = len(rec.__defaults__[0])
P def later():\\n    return defined_later + <i>
P defined_later = <i>
P <+int:x> = later()
P def setter(v):\\n    globals()['planted'] = v
  setter(<i>)
  <+int:x> = planted
P <+list:x> = (lambda l: (l.append(<i>), l)[1])(<list:y>)
P getattr(<list:x>, 'app' + 'end')(<i>)
P <+bm:x> = <list:y>.append
P <bm:x>(<i>)
P vars()['direct'] = <i>
P <+int:x> = direct
P [<list:x>.append(k) for k in range(<i>)];
P list(map(<list:x>.append, range(<i>)));
P any(<list:x>.append(k) for k in range(<i>));
P from operator import iadd, setitem\\n<list:x> = iadd(<list:x>, [<i>])
P setitem(<list:x>, 0, <i>)
P object.__setattr__(<list:x>, 'z', 1) if False else None
P import types\\n<+ns:x> = types.SimpleNamespace(n=<i>, l=<list:y>)
P <ns:x>.n += <i>
P <ns:x>.l.append(<i>)
P vars(<ns:x>)['n'] = <i>
P import collections\\n<+chain:x> = collections.ChainMap({}, <box:y>)
P <chain:x>['n'] = <i>
P <+int:x> = <chain:y>['n']
P import heapq\\nheapq.heapify(<list:x>)
P import bisect\\nbisect.insort(<list:x>, <i>)
P import re\\n<+pat:x> = re.compile('%d+' % <i>)
P <+bool:x> = bool(<pat:y>.match('3'))
P from fractions import Fraction\\nfrom decimal import Decimal\\n<+frac:x> = Fraction(<i>, 7)
P <+frac:x> = <frac:y> + <i>
P import datetime as dt\\n<+when:x> = dt.date(2024, 1, <n>)
P <+when:x> = <when:y> + dt.timedelta(<i>)
P <+by:x> = bytearray(b'ab%d' % <i>)
P <by:x>.extend(b'c')
P <+mv:x> = memoryview(<by:y>)
P <mv:x>[0] = 65
P import array as arrays\\n<+parr:x> = arrays.array('i', [<i>, 2])
P <parr:x>.append(<i>)
P <+it:x> = iter([<i>, <i>, <i>])
P <+int:x> = next(<it:y>, -1)
P import contextvars\\nlevel = contextvars.ContextVar('level', default=<i>)
  level.set(<i>)
  <+int:x> = level.get()
  import threading\\nth = threading.Thread(target=<list:x>.append, args=(<i>,))\\nth.start()\\nth.join()
  from concurrent.futures import ThreadPoolExecutor\\nwith ThreadPoolExecutor(2) as pool:\\n    <+list:x> = list(pool.map(lambda v: v + <int:y>, range(3)))
  import threading\\nlocal = threading.local()\\nlocal.v = <i>
  <+int:x> = getattr(local, 'v', -1)
  import queue\\n<+q:x> = queue.Queue()\\n<x>.put(<i>)
  <+int:x> = <q:y>.get() if not <q:y>.empty() else -1
  import asyncio\\nasync def work(v):\\n    await asyncio.sleep(0)\\n    return v + <int:y>
  <+list:x> = await asyncio.gather(work(<i>), work(<i>))
  async def agen():\\n    for k in range(3):\\n        yield k + <i>
  <+list:x> = [v async for v in agen()]
  import time\\n<+int:x> = int(time.time() < 0) + <i>
  import tempfile, os\\nwith tempfile.TemporaryDirectory() as td:\\n    open(os.path.join(td, 'x'), 'w').write('<i>')\\n    <+str:x> = open(os.path.join(td, 'x')).read()\\ndel td
  import io, contextlib\\nwith contextlib.redirect_stdout(io.StringIO()) as buf:\\n    print(<i>)\\n<+str:x> = buf.getvalue()
  import pickle\\nwith open('v.pkl', 'wb') as fh:\\n    pickle.dump(<list:x>, fh)
  import pickle\\nwith open('v.pkl', 'rb') as fh:\\n    <+list:x> = pickle.load(fh)
  import shelve\\nwith shelve.open('sh') as sh:\\n    sh['k'] = <i>
  import shelve\\nwith shelve.open('sh') as sh:\\n    <+int:x> = sh.get('k', -1)
  import csv\\nwith open('rows.csv', 'w', newline='') as fh:\\n    csv.writer(fh).writerow([<i>, <i>])
  import csv\\nwith open('rows.csv', newline='') as fh:\\n    <+nest:x> = list(csv.reader(fh))
  import sys\\n<+list:x> = sorted(m for m in ('helperless', 'json') if m in sys.modules)
  get_ipython().user_ns['injected'] = <i>
  <+int:x> = injected
  get_ipython().run_cell('inner = <i>');
  <+int:x> = inner
  %who_ls int
""",
}
FILES = {
    "columns": {"p.csv": "p,q\n1,x\n2,y\n"},
}
