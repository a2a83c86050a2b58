"""Which dotted calls and stores change the process in a way that a restored cell must not lose."""

from __future__ import annotations

from strata_kernel.domain.manifest import Chain, Unit

#: Calls on modules that are made for their result, their output or a file, and leave nothing behind in the process;
#: process state that is a unit of its own (generators, rcParams, options) is also no lasting effect.
HARMLESS = (
    "time.sleep",
    "os.makedirs os.mkdir os.remove os.unlink os.rename os.replace os.rmdir os.removedirs os.utime os.chdir os.putenv",
    "os.environ. os.truncate os.link os.symlink os.chmod os.system os.walk",
    "shutil. json.dump pickle.dump joblib.dump csv. pathlib. tempfile. subprocess. gc.collect asyncio. sys.stdout.",
    "sys.setrecursionlimit sys.setswitchinterval",
    "sys.stderr. sys.path. pprint. copy. itertools. functools. math. statistics. textwrap. re.sub string.",
    "random. numpy.random. torch.manual_seed torch.seed torch.save torch.manual_seed torch.cuda.manual_seed",
    "numpy.save numpy.savez numpy.savetxt numpy.set_printoptions numpy.seterr numpy.testing. numpy.fill numpy.put",
    "numpy.copyto numpy.add. numpy.multiply. numpy.subtract. numpy.exp numpy.log numpy.sqrt numpy.divide numpy.clip",
    "pandas.set_option pandas.reset_option pandas.options. pandas.testing. pandas.DataFrame. pandas.concat",
    "matplotlib.pyplot. matplotlib.rcParams matplotlib.rc matplotlib.rcdefaults matplotlib.style. seaborn.",
    "IPython.display. builtins. decimal.getcontext decimal.setcontext warnings. locale.setlocale",
    "polars.Config polars.DataFrame. pyarrow. duckdb.sql duckdb.query plotly.io. plotly.express altair. tqdm. rich.",
    "logging.info logging.debug logging.warning logging.error logging.critical logging.log logging.getLogger",
    "sklearn.set_config sklearn.metrics. sklearn.utils. contextlib. unittest. threading. concurrent. datetime.",
)
_PREFIXES = tuple(p for line in HARMLESS for p in line.split())
#: IPython's own magics: what they do to the process is seen by observation, but for these.
_MAGICS = frozenset({"load_ext", "reload_ext", "config", "matplotlib", "gui", "pylab", "autoreload", "unload_ext"})


def lasting(chain: Chain, unit: Unit | None) -> bool:
    """Tell whether the call or store may change something that is neither a variable nor a known unit."""
    if chain.root == "get_ipython":
        return chain.path.split(".")[-1] in _MAGICS
    if unit is None or unit.kind != "module":
        return False
    target = unit.summary.get(chain.root, chain.root)
    dotted = f"{target}.{chain.path}" if chain.path else target
    if chain.path.endswith("=") and not chain.path.endswith("[]="):
        # A store to an attribute of what was imported: a patch. Options that are units of their own are seen anyway.
        return not dotted.startswith(("os.environ", "decimal.getcontext", "pandas.options", "sys.path"))
    if dotted.startswith(("matplotlib.rcParams", "matplotlib.pyplot.rcParams", "os.environ")):
        return False
    return not any(dotted == p or (p.endswith(".") and dotted.startswith(p)) for p in _PREFIXES)
