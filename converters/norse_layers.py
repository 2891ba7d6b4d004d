"""The layers of a Norse module in the order in which it applies them.

Walks ``SequentialState``, ``torch.nn.Sequential`` and ``Lift``. A chain either takes samples over
time, (T, B, ...), or one step after the other, (B, ...), as one of cells does. An object that
stands in several places is a layer in each of them: Norse keeps a state per place.

Source: Norse 1.1.0, ``norse/torch/module/{sequential,lift,snn}.py`` and ``utils/state.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import norse.torch as snn
from norse.torch.functional.adjoint.lif_adjoint import (
    lif_adjoint_step,
    lif_feed_forward_adjoint_step,
)
from norse.torch.functional.adjoint.lsnn_adjoint import (
    lsnn_adjoint_step,
    lsnn_feed_forward_adjoint_step,
)
from norse.torch.functional.iaf import iaf_feed_forward_step
from norse.torch.functional.leaky_integrator import li_feed_forward_step
from norse.torch.functional.leaky_integrator_box import li_box_feed_forward_step
from norse.torch.functional.lif import lif_feed_forward_step, lif_step
from norse.torch.functional.lif_box import lif_box_feed_forward_step
from norse.torch.functional.lsnn import lsnn_feed_forward_step, lsnn_step
from norse.torch.module.iaf import IAF, IAFCell
from norse.torch.module.leaky_integrator_box import LIBoxCell
from norse.torch.module.lif_box import LIFBoxCell
from norse.torch.utils.state import _is_module_stateful
from torch import nn

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.plain_modules import departure

LIF_FORWARD = (lif_feed_forward_step, lif_feed_forward_adjoint_step)
LIF_RECURRENT = (lif_step, lif_adjoint_step)
LSNN_FORWARD = (lsnn_feed_forward_step, lsnn_feed_forward_adjoint_step)
LSNN_RECURRENT = (lsnn_step, lsnn_adjoint_step)

OVER_TIME: Mapping[type, tuple[Callable[..., Any], ...]] = {
    snn.LIF: LIF_FORWARD,
    snn.LIFRecurrent: LIF_RECURRENT,
    IAF: (iaf_feed_forward_step,),
    snn.LSNN: LSNN_FORWARD,
    snn.LSNNRecurrent: LSNN_RECURRENT,
    snn.LI: (li_feed_forward_step,),
}
"""Neurons that step through a sample, and the functions that one step of them may be."""

CELLS: Mapping[type, tuple[Callable[..., Any], ...]] = {
    snn.LIFCell: LIF_FORWARD,
    snn.LIFRecurrentCell: LIF_RECURRENT,
    LIFBoxCell: (lif_box_feed_forward_step,),
    IAFCell: (iaf_feed_forward_step,),
    snn.LSNNCell: LSNN_FORWARD,
    snn.LSNNRecurrentCell: LSNN_RECURRENT,
    snn.LICell: (li_feed_forward_step,),
    snn.LILinearCell: (),
    LIBoxCell: (li_box_feed_forward_step,),
}
"""Neurons that make one step when they are called."""

ONE_STEP = (nn.Conv1d, nn.Conv2d, nn.AvgPool1d, nn.AvgPool2d, nn.LPPool1d, nn.LPPool2d)
"""Layers without state that have no place for a dimension of time."""


@dataclass(frozen=True)
class Layer:
    """A leaf of a module: the names that lead to it, and whether it sees one step at a time."""

    path: str
    module: Any
    one_step: bool

    @property
    def node(self) -> str:
        """What errors call it."""
        return f"layer {self.path or 0!r} ({type(self.module).__name__})"

    @property
    def name(self) -> str:
        """What its population is called."""
        kind = type(self.module).__name__.lower()
        return f"{kind}_{self.path}" if self.path else kind


def layers_of(module: nn.Module, conversion: Conversion) -> list[Layer]:
    """All leaves of a module.

    Raises:
        UnsupportedError: for a module that computes something else than a chain of them does.
    """
    layers = list(_Reader(conversion).read(Layer("", module, one_step=False), forgets=False))
    cells = [layer for layer in layers if _is_single(layer)]
    if not cells:
        return layers
    conversion.meet("per-step", cells[0].node)
    for layer in layers:
        if layer.one_step or type(layer.module) in OVER_TIME:
            conversion.meet("mixed-time", f"{layer.node} beside {cells[0].node}")
    return [replace(layer, one_step=True) for layer in layers]


def require_own_functions(layer: Layer, conversion: Conversion) -> None:
    """Refuse neurons whose step or initial state is not that of their type.

    Raises:
        UnsupportedError: naming the layer and its function.
    """
    module, kind = layer.module, type(layer.module)
    known = OVER_TIME.get(kind, CELLS.get(kind, ()))
    if not known:
        return
    if module.activation not in known:
        conversion.meet("changed-module", f"{layer.node} with an activation of its own")
    start = module.state_fallback
    if getattr(start, "__func__", None) is not kind.initial_state or start.__self__ is not module:
        conversion.meet("changed-module", f"{layer.node} with a state_fallback of its own")


def _is_single(layer: Layer) -> bool:
    """Whether a layer that nothing lifts takes one step at a time."""
    kind = type(layer.module)
    return not layer.one_step and (kind in CELLS or kind in ONE_STEP)


def _has_state(module: Any) -> bool:
    """Whether Norse gives a module a state and expects one back."""
    try:
        return bool(_is_module_stateful(module))
    except (AttributeError, TypeError, ValueError):
        # None, or something whose forward has no signature: no layer, as will be said later.
        return False


class _Reader:
    """Goes through containers; knows what the next layer is given besides the answer before it."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion
        self.with_state = ""
        """The layer before, if it hands its state to the next one."""

    def read(self, layer: Layer, *, forgets: bool) -> Iterator[Layer]:
        """Leaves of a module, within an nn.Sequential (that forgets states) or not."""
        module = layer.module
        if self.with_state and not (isinstance(module, snn.Lift) and not module.is_stateful):
            self.conversion.meet("lost-state", f"{layer.node} after {self.with_state}")
        self.with_state = ""
        # SequentialState is derived from nn.Sequential.
        if isinstance(module, snn.SequentialState):
            self.require_plain(layer, snn.SequentialState)
            self.require_states(layer)
            yield from self.children(layer, forgets=forgets)
        elif isinstance(module, nn.Sequential):
            self.require_plain(layer, nn.Sequential)
            yield from self.children(layer, forgets=True)
        elif isinstance(module, snn.Lift):
            yield from self.lifted(layer)
        else:
            if isinstance(module, nn.Module):
                self.require_plain(layer, type(module))
            if forgets and _is_single(layer) and type(module) in CELLS:
                self.conversion.meet("lost-state", f"{layer.node} in an nn.Sequential")
            yield layer

    def children(self, layer: Layer, *, forgets: bool) -> Iterator[Layer]:
        """Leaves of all places of a container."""
        states = isinstance(layer.module, snn.SequentialState)
        for name, child in layer.module._modules.items():
            inner = replace(layer, path=f"{layer.path}.{name}".lstrip("."), module=child)
            yield from self.read(inner, forgets=forgets)
            # Only SequentialState takes answer and state apart.
            if not states and _has_state(child):
                self.with_state = inner.node

    def lifted(self, layer: Layer) -> Iterator[Layer]:
        """Leaves of what a Lift calls step by step."""
        lift = layer.module
        self.require_plain(layer, snn.Lift)
        inner = replace(layer, module=lift.lifted_module)
        if layer.one_step:
            self.conversion.meet("mixed-time", f"{layer.node} within Lift")
        if lift.is_stateful != _has_state(lift.lifted_module):
            self.conversion.meet("changed-module", f"{layer.node} with another is_stateful")
        for leaf in self.read(replace(inner, one_step=True), forgets=not lift.is_stateful):
            if type(leaf.module) in OVER_TIME:
                self.conversion.meet("mixed-time", f"{leaf.node} within Lift")
            yield leaf
        if lift.is_stateful:
            self.with_state = inner.node

    def require_plain(self, layer: Layer, known: type[nn.Module]) -> None:
        """Refuse a module that computes something else than its type."""
        found = departure(layer.module, known)
        if found:
            self.conversion.meet("changed-module", f"{layer.node} with {found}")

    def require_states(self, layer: Layer) -> None:
        """Refuse a SequentialState that takes a layer for another kind, or answers a list."""
        module = layer.module
        stateful = [_has_state(child) for child in module._modules.values()]
        if module.stateful_layers != stateful:
            self.conversion.meet("changed-module", f"{layer.node} with other stateful_layers")
        if module.return_hidden:
            self.conversion.meet("changed-module", f"{layer.node} with return_hidden")
