"""The variables of a module as a hidden unit: what is told of them, and set again."""

import collections
import enum
import threading
import types

import pytest

from strata_kernel.kernel.observe.probes import ABSENT
from strata_kernel.kernel.observe.variables import LIMIT, Kept, Variables


class Settings:
    def __init__(self):
        self.depth = 1


class Closed:
    __slots__ = ("depth",)

    def __init__(self):
        self.depth = 1


class Colour(enum.Enum):
    RED = 1


def count(seen=[]):  # noqa: B006
    seen.append(1)


def made():
    module = types.ModuleType(__name__)
    module.limit, module.names, module.settings, module.colour = 1, ["a"], Settings(), Colour.RED
    module.counts, module.lock, module.closed = collections.Counter("a"), threading.Lock(), Closed()
    module.Settings, module.count, module.large = Settings, count, bytes(2 * LIMIT)
    return module, Variables(module, lambda name: name == __name__)


def difference(old, new):
    return {k: new.get(k, ABSENT) for k in old.keys() | new.keys() if old.get(k, ABSENT) != new.get(k, ABSENT)}


CHANGES = {
    "limit": lambda m: setattr(m, "limit", 2),
    "names": lambda m: m.names.append("b"),
    "settings": lambda m: setattr(m.settings, "depth", 5),
    "colour": lambda m: setattr(m, "colour", None),
    "counts": lambda m: m.counts.update("ab"),
    "Settings.extra": lambda m: setattr(m.Settings, "extra", 3),
    "count.__defaults__": lambda m: m.count(),
    "count.calls": lambda m: setattr(m.count, "calls", 3),
    "more": lambda m: setattr(m, "more", {"a": 1}),
}


@pytest.mark.parametrize("key", CHANGES)
def test_a_change_is_told_and_comes_back_in_place(key, monkeypatch):
    monkeypatch.delattr(count, "calls", raising=False)
    monkeypatch.delattr(Settings, "extra", raising=False)
    module, variables = made()
    start, stood = variables.read(), dict(vars(module))
    CHANGES[key](module)
    changed = variables.read()
    assert set(difference(start, changed)) == {key}
    variables.write(difference(changed, start))
    assert variables.read() == start
    assert {n: v for n, v in vars(module).items() if stood.get(n) is not v} == {}
    variables.write(difference(start, changed))
    assert variables.read() == changed
    variables.write(difference(changed, start))


def test_another_object_is_not_the_one_of_the_start():
    module, variables = made()
    names, start = module.names, variables.read()
    module.names = ["a"]
    rebound = variables.read()
    assert set(difference(start, rebound)) == {"names"}
    variables.write({"names": start["names"]})
    assert module.names is names
    variables.write({"names": rebound["names"]})
    assert module.names == ["a"]
    assert module.names is not names


def test_what_cannot_be_saved_is_told_by_identity():
    module, variables = made()
    start = variables.read()
    module.lock, module.closed = threading.Lock(), Closed()
    assert {k: type(v) for k, v in difference(start, variables.read()).items()} == {"lock": Kept, "closed": Kept}
    assert variables.read() == variables.read()


def test_what_grows_too_large_to_be_saved_has_changed():
    module, variables = made()
    start = variables.read()
    module.names.append("b" * 2 * LIMIT)
    assert isinstance(difference(start, variables.read())["names"], Kept)
