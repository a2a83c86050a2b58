"""Libraries that open files natively: their readers and writers, so wrapped that a recording sees the paths."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from strata_kernel.kernel.observe import active, draws
from strata_kernel.kernel.observe.arguments import pick, touch
from strata_kernel.kernel.observe.recording import Recording
from strata_kernel.kernel.observe.sql import named_files
from strata_kernel.kernel.observe.substitutes import Before, class_shadow, put, shadow

if TYPE_CHECKING:
    from strata_kernel.kernel.observe.imports import ImportHooks

_PATHS = (
    "source", "path", "where", "file", "dest", "destination", "filename", "name", "paths", "input_file",
    "path_or_file", "filename_or_obj", "path_or_buffer", "fname", "f", "fp", "uri", "filepath", "path_or_glob",
    "sources", "target", "root_path", "base_dir", "file_name", "file_glob", "workbook", "file_or_path",
    "data_source", "database",
)  # fmt: skip

#: module → mode → attributes, dotted for methods. The path is the first argument, of methods the one after self.
TABLE: dict[str, dict[str, str]] = {
    "polars": {
        "r": "read_avro read_csv read_csv_batched read_delta read_excel read_ipc read_ipc_schema read_ipc_stream "
        "read_json read_lines read_ndjson read_ods read_parquet read_parquet_metadata read_parquet_schema scan_csv "
        "scan_delta scan_iceberg scan_ipc scan_lance scan_lines scan_ndjson scan_parquet",
        "w": "DataFrame.write_avro DataFrame.write_csv DataFrame.write_delta DataFrame.write_excel DataFrame.write_ipc "
        "DataFrame.write_ipc_stream DataFrame.write_json DataFrame.write_ndjson DataFrame.write_parquet "
        "LazyFrame.sink_csv LazyFrame.sink_delta LazyFrame.sink_ipc LazyFrame.sink_ndjson LazyFrame.sink_parquet",
    },
    "pyarrow": {"r": "memory_map input_stream", "w": "create_memory_map output_stream", "mode": "OSFile"},
    "pyarrow.parquet": {
        "r": "read_table read_pandas read_schema read_metadata ParquetFile.__init__ ParquetDataset.__init__",
        "w": "ParquetWriter.__init__",
        "w1": "write_table write_metadata write_to_dataset",
    },
    "pyarrow.csv": {"r": "read_csv open_csv", "w": "CSVWriter", "w1": "write_csv"},
    "pyarrow.json": {"r": "read_json open_json"},
    "pyarrow.feather": {"r": "read_feather read_table FeatherDataset.__init__", "w1": "write_feather"},
    "pyarrow.ipc": {"r": "open_file open_stream", "w": "new_file new_stream"},
    "pyarrow.dataset": {"r": "dataset parquet_dataset", "w1": "write_dataset"},
    "pyarrow.orc": {"r": "read_table ORCFile.__init__", "w": "ORCWriter.__init__", "w1": "write_table"},
    "duckdb": {
        "r": "read_csv read_parquet read_json from_csv_auto from_parquet DuckDBPyConnection.read_csv "
        "DuckDBPyConnection.read_parquet DuckDBPyConnection.read_json DuckDBPyConnection.from_csv_auto "
        "DuckDBPyConnection.from_parquet",
        "w": "DuckDBPyRelation.write_csv DuckDBPyRelation.write_parquet DuckDBPyRelation.to_csv "
        "DuckDBPyRelation.to_parquet",
        "w1": "write_csv",
        "db": "connect",
        "sql": "sql query execute executemany from_query DuckDBPyConnection.sql DuckDBPyConnection.query "
        "DuckDBPyConnection.execute DuckDBPyConnection.executemany DuckDBPyConnection.from_query",
    },
    "h5py": {"mode": "File.__init__"},
    "tables": {"mode": "open_file File.__init__"},
    "netCDF4": {"mode": "Dataset.__init__"},
    "xarray": {"r": "open_dataset open_dataarray open_mfdataset open_zarr open_datatree load_dataset",
               "w": "Dataset.to_netcdf Dataset.to_zarr DataArray.to_netcdf"},
    "zarr": {"mode": "open open_group open_array", "w": "save"},
    "torch": {"r": "load", "w1": "save"},
    "torch.jit": {"r": "load", "w1": "save"},
    "safetensors": {"r": "safe_open"},
    "safetensors.torch": {"r": "load_file", "w1": "save_file"},
    "safetensors.numpy": {"r": "load_file", "w1": "save_file"},
    "xgboost": {"r": "DMatrix.__init__ Booster.load_model", "w": "Booster.save_model"},
    "lightgbm": {"w": "Booster.save_model"},
    "catboost": {"r": "CatBoost.load_model", "w": "CatBoost.save_model"},
    "cv2": {"r": "imread imreadmulti VideoCapture", "w": "imwrite imwritemulti"},
    "rasterio": {"mode": "open"},
    "pyogrio": {"r": "read_dataframe read_info read_arrow", "w1": "write_dataframe"},
    "pyogrio.raw": {"r": "read", "w": "write"},
    "fiona": {"mode": "open"},
    "lxml.etree": {"r": "parse iterparse"},
    "soundfile": {"r": "read", "w": "write"},
    "pyreadstat": {"r": "read_sav read_dta read_sas7bdat read_xport read_por", "w1": "write_sav write_dta write_xport"},
    "python_calamine": {"r": "load_workbook"},
    "fastexcel": {"r": "read_excel"},
    "lance": {"r": "dataset", "w1": "write_dataset"},
    "tokenizers": {"r": "Tokenizer.from_file", "w": "Tokenizer.save"},
    "sentencepiece": {"r": "SentencePieceProcessor.Load SentencePieceProcessor.load"},
    "faiss": {"r": "read_index", "w1": "write_index"},
}  # fmt: skip


def _path(recording: Recording, mode: str, index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    touch(recording, mode, pick(args, kwargs, index, _PATHS))


def _moded(recording: Recording, index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    mode = pick(args, kwargs, index + 1, ("mode",)) or "r"
    found = pick(args, kwargs, index, _PATHS)
    if not isinstance(mode, str) or mode.rstrip("b") in ("r", "rs"):
        touch(recording, "r", found)
    elif mode.startswith(("w", "x")):
        touch(recording, "w", found)
    else:
        touch(recording, "u", found)


def _database(recording: Recording, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    name = pick(args, kwargs, 0, ("database",))
    if name is None or str(name).startswith(":"):
        return
    read_only = pick(args, kwargs, 1, ("read_only",))
    touch(recording, "r" if read_only else "u", name)
    if not read_only and isinstance(name, str):
        path = recording.place(name)
        if path is not None:
            # The write-ahead log beside it holds what the last connection did not fold in.
            recording.write(path + ".wal", update=True)


def _statement(recording: Recording, index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    statement = pick(args, kwargs, index, ("query", "statement"))
    statement = getattr(statement, "query", statement)
    if not isinstance(statement, str):
        return
    if not index:
        draws.statement(recording, statement)
    given = pick(args, kwargs, index + 1, ("params", "parameters", "alias"))
    texts = given.values() if isinstance(given, dict) else given if isinstance(given, list | tuple) else ()
    for mode, text in [*named_files(statement), *(("r", text) for text in texts if isinstance(text, str))]:
        if mode == "r":
            _maybe_read(recording, text)
        else:
            touch(recording, mode, text)


def _maybe_read(recording: Recording, text: str) -> None:
    # Most texts in a statement are values; one that is no path and has no form of one is not looked for.
    if "/" in text or "." in text or "*" in text:
        touch(recording, "r", text)


def _before(kind: str, index: int) -> Before:
    modes = {"r": ("r", index), "w": ("w", index), "w1": ("w", index + 1)}

    def before(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if active.recording is None:
            return
        if kind in modes:
            active.note(_path, *modes[kind], args, kwargs)
        elif kind == "mode":
            active.note(_moded, index, args, kwargs)
        elif kind == "db":
            active.note(_database, args, kwargs)
        else:
            active.note(_statement, index, args, kwargs)

    return before


def _wrap(table: dict[str, str], module: ModuleType) -> None:
    for kind, attributes in table.items():
        if kind != "sql" or _passes_over(module):
            for dotted in attributes.split():
                _wrap_one(module, kind, dotted)


def _wrap_one(module: ModuleType, kind: str, dotted: str) -> None:
    first, _, method = dotted.partition(".")
    owner: Any = getattr(module, first, None) if method else module
    name = method or first
    original = getattr(owner, name, None)
    if original is None or (method and isinstance(owner.__dict__.get(name), staticmethod | classmethod)):
        return
    if isinstance(original, type):
        _wrap_class(module, first, original, _before(kind, 0))
        return
    replaced = put(owner, name, shadow(original, _before(kind, 1 if method else 0), _scope(module, original)))
    if not replaced and name == "__init__":
        _wrap_class(module, first, owner, _before(kind, 0))


def _wrap_class(module: ModuleType, name: str, original: type, before: Before) -> None:
    found = class_shadow(original, before)
    if found is not None:
        put(module, name, found)


def _scope(module: ModuleType, original: Any) -> str:
    owner = getattr(original, "__module__", None)
    # duckdb passes over the frames of its own modules when it looks for a variable of the caller.
    return "duckdb" if module.__name__ == "duckdb" else owner if isinstance(owner, str) else module.__name__


def _passes_over(module: ModuleType) -> bool:
    """Tell whether this duckdb looks for variables beyond its own frames; older ones see only the frame that calls."""
    version = str(getattr(module, "__version__", "0")).partition(".")[0]
    return version.isdigit() and int(version) >= 2


def install(hooks: ImportHooks) -> None:
    """Wrap the readers, now or once their libraries are loaded."""
    for name, table in TABLE.items():
        hooks.after(name, partial(_wrap, table))
