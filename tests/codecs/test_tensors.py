"""Torch: model, optimizer and views share what they shared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.units import fingerprint, group

from .conftest import Trip, restore

torch: Any = pytest.importorskip("torch")


def test_a_model_and_its_optimizer_train_on(trip: Trip, definitions: Definitions) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 200), torch.nn.BatchNorm1d(200), torch.nn.Linear(200, 1))
    optimizer = torch.optim.Adam(model.parameters())
    inputs = torch.rand(5, 3)

    def step(net: Any, rule: Any) -> Any:
        rule.zero_grad(set_to_none=False)
        net(inputs).sum().backward()
        rule.step()
        return [p.detach().clone() for p in net.parameters()]

    step(model, optimizer)
    units = group({"model": model, "optimizer": optimizer}, definitions)
    assert [unit.names for unit in units] == [("model", "optimizer")]
    before = fingerprint({"model": model, "optimizer": optimizer}, definitions)
    assert before == units[0].content
    back: Any = restore(units, definitions)
    held = back["optimizer"].param_groups[0]["params"]
    assert all(a is b for a, b in zip(back["model"].parameters(), held, strict=True))
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(back["model"].parameters(), model.parameters(), strict=True))
    for _ in range(3):
        ours, theirs = step(back["model"], back["optimizer"]), step(model, optimizer)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert fingerprint({"model": model, "optimizer": optimizer}, definitions) != before


@pytest.mark.parametrize("rows", [4, 1000])
def test_views_share_storage_with_each_other_and_numpy(rows: int, trip: Trip) -> None:
    table = torch.rand(rows, 50)
    back = trip(table=table, row=table[1:2], turned=table.T, shown=table.numpy())
    back["table"][1, 3] = 99
    assert back["row"][0, 3] == 99
    assert back["turned"][3, 1] == 99
    assert back["shown"][1, 3] == 99
    array = np.arange(rows * 5.0)
    back = trip(array=array, tensor=torch.from_numpy(array)[2:])
    back["array"][2] = -1
    assert back["tensor"][0] == -1


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.tensor(3), lambda: torch.empty(0, 3), lambda: torch.ones(3, dtype=torch.bfloat16),
        lambda: torch.rand(3, 4).T, lambda: torch.ones(1).expand(4), lambda: torch.ones(2, dtype=torch.complex64).conj(),
        lambda: torch.rand(3, requires_grad=True), lambda: torch.nn.Parameter(torch.rand(3), requires_grad=False),
        lambda: torch.tensor([True]), lambda: torch.rand(50_000),
    ],
)  # fmt: skip
def test_tensors(make: Any, trip: Trip, definitions: Definitions) -> None:
    value = make()
    back = trip(value=value)["value"]
    assert type(back) is type(value)
    assert torch.equal(back, value)
    assert (back.dtype, back.stride(), back.requires_grad) == (value.dtype, value.stride(), value.requires_grad)
    assert fingerprint({"value": back}, definitions) == fingerprint({"value": value}, definitions)


def test_a_gradient_graph_has_no_exact_form(definitions: Definitions) -> None:
    (unit,) = group({"loss": torch.rand(3, requires_grad=True).sum()}, definitions)
    assert unit.reason is not None
    assert "gradient" in unit.reason.text
