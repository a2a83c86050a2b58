"""What stands for something outside the value is refused with a reason that names it."""

from __future__ import annotations

import asyncio
import contextvars
import io
import itertools
import os
import socket
import sqlite3
import sys
import threading
import types
import weakref
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.units import fingerprint, group, load
from strata_kernel.errors import CodecError


class Rude:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __getstate__(self) -> Any:
        raise self.error


class Plain:
    pass


LIVE = Plain()
REFUSED: list[Any] = [
    (i for i in []), open(os.devnull),  # noqa: SIM115
    sqlite3.connect(":memory:"), threading.Lock(), threading.RLock(),
    threading.Event(), memoryview(b"a"), weakref.ref(LIVE), contextvars.ContextVar("x"),
    itertools.cycle([1]), itertools.tee([1])[0], asyncio.Queue(), sys._getframe(), types.ModuleType("made_here"),
    iter({1: 2}), sys.path, sys.modules, types.MappingProxyType({}), Rude(ValueError("no")), sys.modules["__main__"],
    weakref.WeakKeyDictionary({LIVE: 1}), threading.Thread(), np.nditer([1]), sys.stdout,
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("deep", [False, True])
def test_refused(value: Any, deep: bool, definitions: Definitions) -> None:
    if deep and type(value) in (list, dict):
        pytest.skip("the interpreter's own containers are told at the top only")
    (unit,) = group({"conn": {"k": [value]} if deep else value}, definitions)
    assert unit.reason is not None
    assert unit.reason.code == "unpicklable"
    assert "`conn`" in unit.reason.text
    assert unit.stream == b""
    assert unit.content is None
    assert "\n" not in unit.reason.text


def test_the_reason_names_the_culprit(definitions: Definitions) -> None:
    (unit,) = group({"conn": [sqlite3.connect(":memory:")]}, definitions)
    assert unit.reason is not None
    assert unit.reason.text == "unpicklable `conn`: sqlite3.Connection"


def test_sockets_databases_and_memory_maps(tmp_path: Path, definitions: Definitions) -> None:
    mapped = np.memmap(tmp_path / "m", "u1", "w+", shape=(3,))
    with socket.socket() as peer, duckdb.connect() as database:
        for value in (peer, database, database.sql("select 1"), mapped, np.asarray(mapped)):
            (unit,) = group({"v": value}, definitions)
            assert unit.reason is not None


def test_deep_nesting_is_a_reason(definitions: Definitions) -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    (unit,) = group({"v": value}, definitions)
    assert unit.reason is not None
    assert "deeply" in unit.reason.text


def test_interrupts_get_through(definitions: Definitions) -> None:
    with pytest.raises(KeyboardInterrupt):
        group({"v": Rude(KeyboardInterrupt())}, definitions)


@pytest.mark.parametrize("stream", [b"", b"\x80\x05.", b"junk", b"\x80\x05}\x94."])
def test_a_broken_stream_is_a_codec_error(stream: bytes, definitions: Definitions) -> None:
    with pytest.raises(CodecError):
        load(("a",), stream, [], definitions)


def test_a_missing_buffer_is_a_codec_error(definitions: Definitions) -> None:
    (unit,) = group({"a": np.arange(100_000)}, definitions)
    with pytest.raises(CodecError):
        load(unit.names, unit.stream, [], definitions)
    with pytest.raises(CodecError):
        load(unit.names, unit.stream, [memoryview(bytearray(3))], definitions)


def test_references_to_the_process_stay_references(definitions: Definitions) -> None:
    (unit,) = group({"v": {"env": os.environ}}, definitions)
    back: Any = load(unit.names, unit.stream, [], definitions)["v"]
    assert back["env"] is os.environ
    assert fingerprint({"v": io.StringIO("a")}, definitions) is not None
