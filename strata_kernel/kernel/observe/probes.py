"""Parts of the process that cells set on purpose: how each is read, as plain values by name, and set again."""

from __future__ import annotations
import __future__

import locale
import logging
import os
import sys
import warnings
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

Values = dict[str, Any]
#: Stands for a key that is not there.
ABSENT = "\0absent"


class Probe(NamedTuple):
    """A hidden unit: `module` must be loaded for it to have a state; `write` takes the keys that are to change."""

    unit: str
    module: str
    read: Callable[[], Values]
    write: Callable[[Values], None]


#: The environment as it was last read, raw and decoded: it hardly ever changes and is read twice a cell.
_last_environment: tuple[dict[bytes, bytes], Values] = ({}, {})


def _environment() -> Values:
    global _last_environment
    raw = os.environ._data  # type: ignore[attr-defined]
    if raw != _last_environment[0]:
        _last_environment = (dict(raw), {os.fsdecode(k): os.fsdecode(v) for k, v in raw.items()})
    return dict(_last_environment[1])


def _set_environment(values: Values) -> None:
    for key, value in values.items():
        if value == ABSENT:
            os.environ.pop(key, None)
        else:
            os.environ[key] = value


def _interpreter() -> Values:
    return {"recursionlimit": sys.getrecursionlimit(), "switchinterval": sys.getswitchinterval()}


def _set_interpreter(values: Values) -> None:
    for key, value in values.items():
        getattr(sys, "set" + key)(value)


def _cwd() -> Values:
    try:
        return {"cwd": os.getcwd()}
    except OSError:
        return {"cwd": ""}


def _set_path(values: Values) -> None:
    sys.path[:] = list(values["path"])


def _set_argv(values: Values) -> None:
    sys.argv[:] = list(values["argv"])


def _set_filters(values: Values) -> None:
    warnings.filters[:] = list(values["filters"])  # type: ignore[index]
    mutated = getattr(warnings, "_filters_mutated", None) or getattr(warnings, "_filters_mutated_lock_held", None)
    if mutated is not None:
        mutated()


def _decimal() -> Values:
    context = sys.modules["decimal"].getcontext()
    found = {name: getattr(context, name) for name in ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")}
    found["traps"] = tuple(sorted(signal.__name__ for signal, on in context.traps.items() if on))
    return found


def _set_decimal(values: Values) -> None:
    context = sys.modules["decimal"].getcontext()
    for name, value in values.items():
        if name == "traps":
            for signal in context.traps:
                context.traps[signal] = signal.__name__ in value
        else:
            setattr(context, name, value)


def _set_locale(values: Values) -> None:
    locale.setlocale(locale.LC_ALL, values["all"])


def _loggers() -> Values:
    found: Values = {"": (logging.root.level, logging.root.disabled, True), "\0disable": logging.root.manager.disable}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and (logger.level or logger.disabled or not logger.propagate):
            found[name] = (logger.level, logger.disabled, logger.propagate)
    return found


def _set_loggers(values: Values) -> None:
    for name, value in values.items():
        if name == "\0disable":
            logging.disable(value)
            continue
        logger = logging.getLogger(name or None)
        level, logger.disabled, logger.propagate = (0, False, True) if value == ABSENT else value
        logger.setLevel(level)


#: Set by whoever draws first, and by ipykernel; they say where figures go and not what is in them.
_OF_BACKEND = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "webagg.port"})


def _matplotlib() -> Values:
    # Not through RcParams itself: to read "backend" there chooses one.
    params = dict.items(sys.modules["matplotlib"].rcParams)
    return {k: list(v) if type(v) is list else v for k, v in params if k not in _OF_BACKEND}


def _set_matplotlib(values: Values) -> None:
    params = sys.modules["matplotlib"].rcParams
    for key, value in values.items():
        dict.__setitem__(params, key, list(value) if type(value) is list else value)


#: The tables of pandas' options with the full names of what is in them, for so many registered options.
_pandas_tables: tuple[int, list[tuple[dict[str, Any], list[tuple[str, str]]]]] = (0, [])


def _pandas() -> Values:
    global _pandas_tables
    config = sys.modules["pandas._config.config"]
    if _pandas_tables[0] != len(config._registered_options):
        _pandas_tables = (len(config._registered_options), _tables("", config._global_config))
    return {full: table.get(key, ABSENT) for table, keys in _pandas_tables[1] for key, full in keys}


def _tables(prefix: str, options: dict[str, Any]) -> list[tuple[dict[str, Any], list[tuple[str, str]]]]:
    found = [(options, [(k, prefix + k) for k, v in options.items() if type(v) is not dict])]
    for key, value in options.items():
        if type(value) is dict:
            found += _tables(f"{prefix}{key}.", value)
    return found


def _set_pandas(values: Values) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key, value in values.items():
            if value != ABSENT:
                sys.modules["pandas"].set_option(key, value)


def _numpy() -> Values:
    numpy = sys.modules["numpy"]
    return {**numpy.get_printoptions(), **{"err_" + k: v for k, v in numpy.geterr().items()}}


def _set_numpy(values: Values) -> None:
    numpy = sys.modules["numpy"]
    errors = {k[4:]: v for k, v in values.items() if k.startswith("err_")}
    options = {k: v for k, v in values.items() if not k.startswith("err_")}
    if errors:
        numpy.seterr(**errors)
    if options:
        numpy.set_printoptions(**options)


def _torch() -> Values:
    torch = sys.modules["torch"]
    cudnn = torch.backends.cudnn
    return {
        "dtype": str(torch.get_default_dtype()),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "grad": torch.is_grad_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "cudnn_deterministic": cudnn.deterministic,
        "cudnn_benchmark": cudnn.benchmark,
        "print": tuple(sorted(vars(sys.modules["torch._tensor_str"].PRINT_OPTS).items())),
    }


def _set_torch(values: Values) -> None:
    torch = sys.modules["torch"]
    setters: dict[str, Callable[[Any], Any]] = {
        "dtype": lambda v: torch.set_default_dtype(getattr(torch, v.removeprefix("torch."))),
        "threads": torch.set_num_threads,
        "grad": torch._C._set_grad_enabled,
        "anomaly": torch.autograd.set_detect_anomaly,
        "precision": torch.set_float32_matmul_precision,
        "cudnn_deterministic": lambda v: setattr(torch.backends.cudnn, "deterministic", v),
        "cudnn_benchmark": lambda v: setattr(torch.backends.cudnn, "benchmark", v),
        "print": lambda v: vars(sys.modules["torch._tensor_str"].PRINT_OPTS).update(dict(v)),
    }
    if "deterministic" in values or "warn_only" in values:
        now = _torch()
        torch.use_deterministic_algorithms(
            values.get("deterministic", now["deterministic"]), warn_only=values.get("warn_only", now["warn_only"])
        )
    for key, value in values.items():
        if key in setters:
            setters[key](value)


def _sklearn() -> Values:
    return dict(sys.modules["sklearn"].get_config())


def _set_sklearn(values: Values) -> None:
    sys.modules["sklearn"].set_config(**values)


def _polars() -> Values:
    direct = getattr(sys.modules.get("polars.config"), "_POLARS_CFG_DIRECT_VARS", {})
    return {name: get() for name, get in direct.items()}


def _set_polars(values: Values) -> None:
    for name, value in values.items():
        getattr(sys.modules["polars"].Config, name)(value)


_PLAIN = ("float_format", "max_seq_length", "max_width", "pprint", "float_precision")


def _display() -> Values:
    shell = sys.modules["IPython.core.getipython"].get_ipython()
    if shell is None:
        return {}
    text = shell.display_formatter.formatters.get("text/plain")
    found = {"plain_" + name: getattr(text, name) for name in _PLAIN if hasattr(text, name)}
    found["ast_node_interactivity"] = shell.ast_node_interactivity
    inline = getattr(sys.modules.get("matplotlib_inline.config"), "InlineBackend", None)
    if inline is not None and inline.initialized():
        backend = inline.instance()
        found["inline_figure_formats"] = tuple(sorted(backend.figure_formats))
        found["inline_print_figure_kwargs"] = dict(backend.print_figure_kwargs)
        found["inline_close_figures"] = backend.close_figures
    return found


def _set_display(values: Values) -> None:
    shell = sys.modules["IPython.core.getipython"].get_ipython()
    for name, value in values.items():
        if name.startswith("plain_"):
            setattr(shell.display_formatter.formatters["text/plain"], name[6:], value)
        elif name.startswith("inline_"):
            from matplotlib_inline.config import InlineBackend

            backend = InlineBackend.instance(parent=shell)
            setattr(backend, name[7:], set(value) if name == "inline_figure_formats" else value)
        else:
            setattr(shell, name, value)


_FUTURE = reduce(or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names))


def _compiler() -> Values:
    shell = sys.modules["IPython.core.getipython"].get_ipython()
    # What `from __future__` asks for holds in all cells that follow.
    return {} if shell is None else {"flags": shell.compile.flags & _FUTURE}


def _set_compiler(values: Values) -> None:
    compiler = sys.modules["IPython.core.getipython"].get_ipython().compile
    compiler.flags = (compiler.flags & ~_FUTURE) | values["flags"]


PROBES: tuple[Probe, ...] = (
    Probe("env:", "os", _environment, _set_environment),
    Probe("proc:cwd", "os", _cwd, lambda values: os.chdir(values["cwd"])),
    Probe("proc:sys.path", "sys", lambda: {"path": tuple(sys.path)}, _set_path),
    Probe("proc:sys.argv", "sys", lambda: {"argv": tuple(sys.argv)}, _set_argv),
    Probe("proc:interpreter", "sys", _interpreter, _set_interpreter),
    Probe("proc:warnings", "warnings", lambda: {"filters": tuple(warnings.filters)}, _set_filters),
    Probe("proc:decimal", "decimal", _decimal, _set_decimal),
    Probe("proc:locale", "locale", lambda: {"all": locale.setlocale(locale.LC_ALL)}, _set_locale),
    Probe("proc:logging", "logging", _loggers, _set_loggers),
    Probe("proc:matplotlib", "matplotlib", _matplotlib, _set_matplotlib),
    Probe("proc:pandas", "pandas", _pandas, _set_pandas),
    Probe("proc:numpy", "numpy", _numpy, _set_numpy),
    Probe("proc:torch", "torch", _torch, _set_torch),
    Probe("proc:sklearn", "sklearn", _sklearn, _set_sklearn),
    Probe("proc:polars", "polars", _polars, _set_polars),
    Probe("proc:display", "IPython", _display, _set_display),
    Probe("proc:compiler", "IPython", _compiler, _set_compiler),
)
