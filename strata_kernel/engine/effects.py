"""Which dotted calls and stores change the process in a way that a restored cell must not lose."""

from __future__ import annotations

from collections.abc import Mapping

from strata_kernel.domain.analysis import Import
from strata_kernel.domain.manifest import DECORATES, Chain, Unit
from strata_kernel.domain.state import Slot

#: Calls on modules that are made for their result, their output or a file, and leave nothing behind in the process;
#: process state that is a unit of its own (generators, rcParams, options) is also no lasting effect.
HARMLESS = (
    "time.sleep",
    "os.makedirs os.mkdir os.remove os.unlink os.rename os.replace os.rmdir os.removedirs os.utime os.chdir",
    "os.environ. os.truncate os.link os.symlink os.chmod os.system os.walk",
    "csv.writer(). csv.DictWriter().",
    "shutil. json.dump pickle.dump joblib.dump pathlib. tempfile. subprocess. gc.collect asyncio. sys.stdout.",
    "sys.setrecursionlimit sys.setswitchinterval",
    "sys.stderr. sys.path. pprint. copy. itertools. functools. math. statistics. textwrap. re.sub string.",
    "random. numpy.random. torch.manual_seed torch.seed torch.save torch.manual_seed torch.cuda.manual_seed",
    "numpy.save numpy.savez numpy.savetxt numpy.set_printoptions numpy.seterr numpy.testing. numpy.fill numpy.put",
    "numpy.copyto numpy.add. numpy.multiply. numpy.subtract. numpy.exp numpy.log numpy.sqrt numpy.divide numpy.clip",
    "pandas.set_option pandas.reset_option pandas.options. pandas.testing. pandas.DataFrame. pandas.concat",
    "pandas.DataFrame(). pandas.Series(). pandas.concat(). pandas.read_csv(). polars.DataFrame(). polars.Series().",
    "matplotlib.pyplot. matplotlib.rcParams matplotlib.rc matplotlib.rcdefaults matplotlib.style. seaborn.",
    "IPython.display. builtins. decimal.getcontext decimal.setcontext warnings. locale.setlocale",
    "polars.Config polars.DataFrame. duckdb.sql duckdb.query plotly.express altair.Chart(). tqdm.write tqdm.tqdm.write",
    "plotly.io.show plotly.io.write_html plotly.io.write_image plotly.io.write_json tqdm.auto.tqdm.write",
    "pyarrow.parquet. pyarrow.csv. pyarrow.feather. pyarrow.ipc. pyarrow.dataset. pyarrow.orc. pyarrow.json.",
    "rich.print rich.print_json rich.inspect rich.console.Console(). tqdm.notebook.tqdm.write",
    "logging.basicConfig logging.getLogger().addHandler logging.getLogger().removeHandler logging.getLogger().setLevel",
    "logging.getLogger().debug logging.getLogger().info logging.getLogger().warning logging.getLogger().error",
    "logging.getLogger().critical logging.getLogger().exception logging.getLogger().log logging.exception",
    "logging.info logging.debug logging.warning logging.error logging.critical logging.log logging.getLogger",
    "sklearn.set_config sklearn.metrics. sklearn.utils. contextlib. threading. concurrent. datetime.",
    "unittest.main unittest.TextTestRunner().",
)
_PREFIXES = tuple(p for line in HARMLESS for p in line.split())
#: Decorators that only make something of what they decorate.
DECORATORS = (
    "functools. dataclasses. contextlib. abc. typing. typing_extensions. enum. types. operator. itertools. unittest.",
    "collections. asyncio. warnings. weakref. numpy. pandas. scipy. sklearn. numba. cython. torch. jax. flax. equinox.",
    "tensorflow. keras. attr. attrs. pydantic. pytest. hypothesis. tenacity. joblib. toolz. cachetools. decorator.",
    "wrapt. deprecated. beartype. typeguard. line_profiler. memory_profiler. ray. dask. xarray. polars. jaxtyping.",
)
#: Parts of them that do keep it.
_KEEPING = ("register", "pandas.api.extensions", "tensorflow.custom_gradient", "torch.library")
_DECORATORS = tuple(p for line in DECORATORS for p in line.split())
#: IPython's own magics: what they do to the process is seen by observation, but for these.
_MAGICS = frozenset({"load_ext", "reload_ext", "config", "matplotlib", "gui", "pylab", "autoreload", "unload_ext"})


def lasting(chain: Chain, unit: Unit | None) -> bool:
    """Tell whether the call or store may change something that is neither a variable nor a known unit."""
    if chain.root == "get_ipython":
        return chain.path.split(".")[-1] in _MAGICS
    if unit is None or unit.kind != "module":
        return False
    target = unit.summary.get(chain.root, chain.root)
    if chain.path.endswith(DECORATES):
        return _keeps(f"{target}.{chain.path}".rstrip(DECORATES).rstrip("."))
    dotted = f"{target}.{chain.path}" if chain.path else target
    if chain.path.endswith("=") and (not chain.path.endswith("[]=") or "__dict__" in chain.path):
        # A store to an attribute of what was imported: a patch. Options that are units of their own are seen anyway.
        return not dotted.startswith(("os.environ", "decimal.getcontext", "pandas.options", "sys.path"))
    if dotted.startswith(("matplotlib.rcParams", "matplotlib.pyplot.rcParams", "os.environ")):
        return False
    return not any(dotted == p or (p.endswith(".") and dotted.startswith(p)) for p in _PREFIXES)


def begins_at(chain: Chain, imports: Mapping[str, Import], slots: Mapping[str, Slot | None]) -> Unit | None:
    """Return the unit that the root of a chain stands for, also where the cell itself imports it."""
    slot, imported = slots.get(chain.root), imports.get(chain.root)
    if slot is not None or imported is None:
        return slot.unit if slot is not None else None
    target = imported.module + (f".{imported.attribute}" if imported.attribute else "")
    return Unit((chain.root,), "", "module", summary={chain.root: target})


def _keeps(decorator: str) -> bool:
    """Tell whether a decorator, by its dotted name, may keep what it decorates: a registry, a route, a hook."""
    return not decorator.startswith(_DECORATORS) or any(part in decorator for part in _KEEPING)
