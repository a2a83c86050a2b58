"""Torch tensors: views of one storage stay views of one storage, and parameters keep gradients and attributes."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from strata_kernel.codecs import rebuild
from strata_kernel.codecs.arrays import expose
from strata_kernel.codecs.refuse import Refused, shown
from strata_kernel.codecs.trace import Region, Trace


class Storage:
    """The memory of one torch storage, shown as an array of bytes."""

    def __init__(self, content: Any) -> None:
        self.content = content


def reduce_storage(storage: Storage, trace: Trace) -> Any:
    """Reduce to an array, which takes part in finding overlaps with NumPy."""
    return rebuild.storage, (storage.content,)


def reduce_tensor(tensor: Any, trace: Trace) -> Any:
    """Reduce a dense tensor on the CPU; raise Refused for others."""
    torch: Any = sys.modules["torch"]
    cls = type(tensor)
    known = (torch.Tensor, torch.nn.Parameter, getattr(torch.nn, "Buffer", torch.Tensor))
    if cls not in known:
        raise Refused(shown(cls))
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided or tensor.is_quantized:
        raise Refused(f"torch.Tensor on {tensor.device} with layout {tensor.layout}")
    if tensor.grad_fn is not None:
        raise Refused("torch.Tensor with a gradient graph")
    if tensor._backward_hooks or getattr(tensor, "_post_accumulate_grad_hooks", None):
        raise Refused("torch.Tensor with hooks")
    untyped = tensor.untyped_storage()
    parts = (
        _storage(untyped, trace), tensor.dtype, tuple(tensor.size()), tuple(tensor.stride()), tensor.storage_offset(),
        tensor.is_conj(), tensor.is_neg(),
    )  # fmt: skip
    grad = tensor.grad if tensor.is_leaf and tensor.requires_grad else None
    attributes = {key: value for key, value in vars(tensor).items() if not key.startswith("_is_param")}
    state = (grad, attributes) if grad is not None or attributes else None
    plain = Plain(parts)
    return rebuild.leaf, (plain, cls, tensor.requires_grad), state, None, None, rebuild.fill_tensor


class Plain:
    """A tensor's view of its storage, without what makes it a leaf."""

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts


def reduce_plain(plain: Plain, trace: Trace) -> Any:
    """Reduce to dtype, shape and place in the storage."""
    return rebuild.tensor, plain.parts


def _storage(untyped: Any, trace: Trace) -> Storage:
    # Storage objects are made anew at every call: the address of their memory tells them apart.
    address = untyped.data_ptr()
    key = ("storage", address) if untyped.nbytes() else ("storage", "empty", id(untyped))
    if key not in trace.tokens:
        numpy = _numpy()
        region = Region(address, address + untyped.nbytes())
        content = expose(region, untyped) if untyped.nbytes() else numpy.empty(0, numpy.uint8)
        trace.tokens[key] = Storage(content)
    token: Storage = trace.tokens[key]
    if untyped.nbytes() > token.content.nbytes:
        raise Refused("torch storages that overlap")
    return token


def _numpy() -> Any:
    return importlib.import_module("numpy")


REDUCERS: dict[type, Any] = {Storage: reduce_storage, Plain: reduce_plain}
