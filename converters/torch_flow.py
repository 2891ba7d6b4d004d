"""Tensors that stand for what flows between cells: affine functions of what cells send, per step.

A module's own forward runs on them. Operations that move, weigh and add numbers give such tensors
again, whatever Python lies between; all others are refused by name, with the line that asks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ltc2hw.converters.plain_modules import exact_array
from ltc2hw.converters.signals import Signal
from ltc2hw.errors import UnsupportedError
from ltc2hw.numbers.words import FloatArray, IntArray

BATCH = 3
"""Samples that a flow stands for; all are alike, and none may reach another."""

WHERE = "converters.torch"

# Without types in torch.
_as_plain_tensors: Callable[[], Any] = torch._C.DisableTorchFunctionSubclass

Shape = tuple[int, ...]
Rules = Mapping[str, Callable[..., "Flow"]]


class MisplacedError(UnsupportedError):
    """An operation that mixes samples or steps; perhaps the module takes one step at a time."""


class OneStepError(MisplacedError):
    """Several steps where the module takes one."""


class Flow(Tensor):
    """Signals in the form (B, ...), or of several steps (T, B, ...); its numbers mean nothing.

    The sources of its signals count steps from the start: their ``delay`` is the step itself.
    """

    signals: tuple[Signal, ...]
    several: bool
    """Whether the first dimension is time."""
    rules: Rules
    """What operations do to it, by name, besides those that move numbers."""
    seen: bool
    """Whether another flow was made of this one's numbers without copying, as views are."""

    @property
    def features(self) -> Shape:
        """The shape of a sample at a step."""
        return tuple(self.shape[2:]) if self.several else tuple(self.shape[1:])

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Apply an operation of torch to flows.

        Raises:
            UnsupportedError: for one that no weights and no neurons are.
        """
        name = _name(func)
        given = dict(kwargs or {})
        if name in METADATA:
            with _as_plain_tensors():
                return func(*args, **given)
        if name in CREATING:
            with _as_plain_tensors():
                return func(*map(_plain, args), **given)
        if name in KEEPING:
            return _kept(name, args, given)
        if name in MOVING:
            return moved(name, func, args, given)
        bare = name.strip("_")
        in_place = name.endswith("_") and not name.endswith("__")
        if bare not in LINEAR and bare.startswith("i") and bare[1:] in LINEAR:
            bare, in_place = bare[1:], True
        rules = next(flow.rules for flow in _flows((*args, *given.values())))
        if bare not in rules:
            raise refused(name)
        result = rules[bare](*args, **given)
        return _stored(name, args[0], result) if in_place else result


LINEAR = frozenset(("add", "sub", "mul", "div", "truediv"))
"""Operations that Python also has in place."""

METADATA = frozenset(
    (
        *("size", "dim", "numel", "nelement", "ndimension", "__len__", "is_floating_point"),
        *("is_complex", "element_size", "get_device", "is_contiguous", "__hash__"),
        *("shape", "dtype", "device", "ndim", "layout", "requires_grad", "is_cuda", "is_leaf"),
        *("is_sparse", "is_quantized", "is_nested", "is_mkldnn", "grad_fn", "is_meta"),
    )
)
"""What a flow tells of itself."""

CREATING = frozenset(
    (
        *("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"),
        "new_tensor",
    )
)
"""Operations that take a flow's form alone, and make numbers."""

KEEPING = frozenset(
    (
        *("detach", "clone", "contiguous", "float", "double", "to", "type_as", "cpu", "dropout"),
        *("requires_grad_", "alias", "feature_dropout", "data"),
    )
)
"""Operations that change nothing."""

MOVING = frozenset(
    (
        *(
            "flatten",
            "reshape",
            "view",
            "unflatten",
            "squeeze",
            "unsqueeze",
            "permute",
            "transpose",
        ),
        *("movedim", "swapaxes", "swapdims", "__getitem__", "select", "narrow", "index_select"),
        *("chunk", "split", "split_with_sizes", "tensor_split", "unbind", "__iter__", "T", "mT"),
        *("t", "cat", "concat", "concatenate", "stack", "hstack", "flip", "roll", "expand", "tile"),
        *("expand_as", "view_as", "reshape_as", "repeat", "repeat_interleave", "broadcast_to"),
    )
)
"""Operations that leave every number as it is, elsewhere or several times."""

REMEDIES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("relu", "gelu", "sigmoid", "tanh", "softmax", "log_softmax", "leaky_relu", "elu"),
            *("silu", "gt", "lt", "ge", "le", "eq", "ne", "where", "clamp", "clip", "abs", "pow"),
            *("exp", "sqrt", "sign", "heaviside", "round", "floor"),
        ),
        "let spiking cells be the only non-linearity, or put it behind the network",
    ),
    **dict.fromkeys(
        ("max_pool2d", "_max_pool2d", "_max_pool1d", "max_pool1d", "amax", "max", "maximum"),
        "use average pooling, or a convolution with a stride",
    ),
    **dict.fromkeys(
        ("__bool__", "item", "__int__", "__float__", "tolist", "nonzero", "__index__"),
        "let forward do the same whatever the numbers are",
    ),
    **dict.fromkeys(
        ("__setitem__", "copy_", "index_add_", "scatter_"),
        "collect the parts in a list, then torch.stack or torch.cat them",
    ),
    **dict.fromkeys(
        ("lstm", "gru", "rnn_tanh", "layer_norm", "group_norm", "scaled_dot_product_attention"),
        "use cells of ltc2hw.neurons, or batch norm",
    ),
}
"""What to do instead of operations that users reach for."""

ELSE = "make forward of cells, linear layers, convolutions, average pooling, sums and torch.cat"


def refused(name: str, feature: str = "", remedy: str = "") -> UnsupportedError:
    """The error for an operation, with the line of the user's code that asked for it."""
    data_dependent = name in ("__bool__", "item", "__int__", "__float__", "__index__", "tolist")
    what = feature or (
        "what happens depends on the numbers" if data_dependent else "neither weights nor neurons"
    )
    return UnsupportedError(WHERE, located(name), what, remedy or REMEDIES.get(name, ELSE))


def misplaced(name: str, what: str, remedy: str) -> MisplacedError:
    """The error for an operation that mixes samples or steps."""
    return MisplacedError(WHERE, located(name), what, remedy)


def one_step(name: str, flow: Flow, form: str) -> OneStepError:
    """The error for an operation of one step that is given several."""
    what = f"a tensor {tuple(flow.shape)}, not {form}"
    return OneStepError(WHERE, located(name), what, "put it into a loop over time")


def located(name: str) -> str:
    """An operation and the line of the user's code that asked for it."""
    frame = sys._getframe(1)
    own = Path(__file__).parent
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        inside = frame.f_globals.get("__name__", "").split(".")[0]
        if inside != "torch" and path.parent != own and not str(path).startswith("<"):
            return f"{name.strip('_')} ({path.name}, line {frame.f_lineno})"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return name.strip("_")


def new_flow(
    signals: Sequence[Signal], features: Shape, dtype: torch.dtype, rules: Rules, *, several: bool
) -> Flow:
    """A flow of signals, one per step."""
    shape = (len(signals), BATCH, *features) if several else (BATCH, *features)
    # No memory but a number.
    flow = torch.empty((), dtype=dtype).expand(shape).as_subclass(Flow)
    flow.signals, flow.several, flow.seen = tuple(signals), several, False
    flow.rules = rules
    return flow


def flow_like(like: Flow, signals: Sequence[Signal], features: Shape, *, several: bool) -> Flow:
    """A flow of signals with the type and the rules of another one."""
    return new_flow(signals, features, like.dtype, like.rules, several=several)


def constant_flow(like: Flow, values: Tensor, name: str) -> Flow:
    """Numbers of a module's own, (B, ...) or (T, B, ...), the same for all samples."""
    several = values.dim() > 1 and values.shape[0] != BATCH and values.shape[1] == BATCH
    if not several and (values.dim() < 2 or values.shape[0] != BATCH):
        raise misplaced(name, f"numbers of the shape {tuple(values.shape)}", "give (B, N)")
    rows = same_for_all(values if several else values[None], name)
    signals = [constant(row.ravel()) for row in rows]
    features = values.shape[2:] if several else values.shape[1:]
    return flow_like(like, signals, tuple(features), several=several)


def constant(values: FloatArray) -> Signal:
    """A signal of numbers that no cell sends."""
    nothing = Signal(values.size, {})
    return nothing.plus_constant(values) if np.any(values) else nothing


def same_for_all(values: Tensor, name: str) -> FloatArray:
    """Numbers (T, B, ...) that do not depend on the sample, as (T, ...)."""
    numbers = exact_array(values, f"numbers in {located(name)}")
    if np.any(numbers != numbers[:, :1]):
        raise misplaced(name, "numbers that differ between samples", "use the same for all")
    return np.asarray(numbers[:, 0])


def moved(name: str, func: Callable[..., Any], args: Any, given: Mapping[str, Any]) -> Any:
    """Do to the places of all numbers what an operation does to the numbers.

    Raises:
        MisplacedError: if samples do not stay apart, in the first or second dimension.
    """
    places = _Places(name)
    with _as_plain_tensors():
        listed = [places.of(arg) for arg in args]
        named = {key: places.of(value) for key, value in given.items()}
        result = func(*listed, **named)
    return places.decoded(result)


class _Places:
    """Numbers of flows and of a module's own tensors, each with an integer of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.sources: list[tuple[int, Tensor]] = []

    def of(self, value: Any) -> Any:
        """An argument with places in the stead of numbers."""
        if isinstance(value, Flow) or (isinstance(value, Tensor) and value.is_floating_point()):
            if isinstance(value, Flow):
                value.seen = True
            start, self.count = self.count, self.count + value.numel()
            self.sources.append((start, value))
            return torch.arange(start, self.count).reshape(value.shape)
        if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
            return type(value)(map(self.of, value))
        return value

    def decoded(self, result: Any) -> Any:
        """Flows in the stead of places."""
        if isinstance(result, Tensor):
            return self.flow(result.numpy())
        if isinstance(result, (list, tuple)):
            return type(result)(map(self.decoded, result))
        return iter([self.decoded(part) for part in result])

    def flow(self, places: IntArray) -> Flow:
        several = self._several(places)
        rows = places[:, 0] if several else places[:1]
        signals = [self.signal(row.ravel()) for row in rows]
        like = next(value for _, value in self.sources if isinstance(value, Flow))
        made = flow_like(like, signals, rows.shape[1:], several=several)
        made.seen = True
        return made

    def _several(self, places: IntArray) -> bool:
        """Whether samples are the second dimension; they are the first one otherwise."""
        samples = self._samples(places)
        for axis in (0, 1):
            if places.ndim > axis and places.shape[axis] == BATCH and places.size:
                shape = [1] * places.ndim
                shape[axis] = BATCH
                wanted = np.arange(BATCH).reshape(shape)
                if np.all((samples == wanted) | (samples < 0)):
                    return axis == 1
        raise misplaced(
            self.name, "samples or steps that are mixed", "keep (B, ...), or (T, B, ...)"
        )  # fmt: skip

    def _samples(self, places: IntArray) -> IntArray:
        """The sample of each number, -1 for those of a module's own."""
        samples = np.full(places.shape, -1)
        for start, value in self.sources:
            inside = (places >= start) & (places < start + value.numel())
            if isinstance(value, Flow):
                size = int(np.prod(value.features, dtype=np.int64))
                samples[inside] = (places[inside] - start) // size % BATCH
        return samples

    def signal(self, row: IntArray) -> Signal:
        """What one sample has at one step, from the places of its numbers."""
        total = Signal(row.size, {})
        for start, value in self.sources:
            inside = np.flatnonzero((row >= start) & (row < start + value.numel()))
            if not inside.size:
                continue
            local = row[inside] - start
            if not isinstance(value, Flow):
                numbers = np.zeros(row.size)
                numbers[inside] = exact_array(value, self.name).ravel()[local]
                total = total.plus(constant(numbers))
                continue
            size = int(np.prod(value.features, dtype=np.int64))
            steps, columns = local // (BATCH * size), local % size
            for step in np.unique(steps):
                own = steps == step
                part = value.signals[int(step)]
                total = total.plus(_selected(part, inside[own], columns[own], row.size))
        return total


def _selected(signal: Signal, rows: IntArray, columns: IntArray, size: int) -> Signal:
    """Some numbers of a signal at places of a larger one, zeros at the others."""
    whole = np.arange(size)
    if signal.size == size and np.array_equal(rows, whole) and np.array_equal(columns, whole):
        return signal
    ones = np.ones(rows.size)
    return signal.through(sparse.csr_matrix((ones, (rows, columns)), shape=(size, signal.size)))


def _kept(name: str, args: tuple[Any, ...], given: Mapping[str, Any]) -> Any:
    """What an operation that changes nothing answers."""
    kinds = [value for value in (*args, *given.values()) if isinstance(value, torch.dtype)]
    if any(kind not in (torch.float32, torch.float64) for kind in kinds):
        raise refused(name, f"numbers of type {kinds[0]}", "compute in float32 or float64")
    if name == "dropout" and (given.get("training", (*args, True, True)[2]) is True):
        raise refused(name, "it drops at random", "call module.eval() first")
    return args[0]


def _stored(name: str, into: Any, result: Flow) -> Flow:
    """Put what was computed in the place of a flow."""
    if not isinstance(into, Flow) or into.seen or into.shape != result.shape:
        raise refused(name, "a change in place that others see", "write y = x + ... instead")
    into.signals, into.several = result.signals, result.several
    return into


def _flows(values: Sequence[Any]) -> Iterator[Flow]:
    """Flows among arguments and in their lists."""
    for value in values:
        if isinstance(value, Flow):
            yield value
        elif isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
            yield from _flows(value)


def _plain(value: Any) -> Any:
    """A tensor of a flow's form."""
    return (
        torch.empty((), dtype=value.dtype).expand(value.shape) if isinstance(value, Flow) else value
    )


def _name(func: Callable[..., Any]) -> str:
    """What an operation is called; attributes by their own names."""
    name: str = getattr(func, "__name__", str(func))
    if name == "__get__":
        return str(getattr(getattr(func, "__self__", None), "__name__", name))
    return name
