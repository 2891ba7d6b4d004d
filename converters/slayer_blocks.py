"""Whether slayer blocks compute what their own export says that they do.

``export_hdf5`` writes weights, decays and thresholds. What else a block may have (dropout or
normalization in training, a bias, masks that wait for a sample, hooks, replaced methods) changes
its answers and not the export; it is refused here.

Source: lava-dl 0.6.0, ``slayer/block/{base,cuba}.py``, ``slayer/neuron``, ``slayer/synapse``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.plain_modules import departure, hooked

KNOWN = ("lava.lib.dl.slayer.", "torch.nn.modules.dropout")
"""Where the classes come from whose meaning is known; dropout does nothing after training."""

WEIGHT_NORM = "WeightNorm"
"""The hook of torch's weight normalization, which the export folds into the weights."""

DECAY_SCALE, STATE_SCALE = 1 << 12, 1 << 6
"""Of decays, and of states in units of weights: those of CUBA neurons, as in Lava."""


def require_plain_blocks(holder: Any, blocks: Sequence[Any], conversion: Conversion) -> None:
    """Check the blocks of a module, and whether anything hooks into the module itself.

    Raises:
        UnsupportedError: naming the block and what makes it compute something else.
    """
    found = hooked(holder) if isinstance(holder, nn.Module) else ""
    if found:
        conversion.meet("changed-module", f"{type(holder).__name__} with {found}")
    keeping: set[int] = set()
    for index, block in enumerate(blocks):
        node = f"block {index} ({type(block).__name__})"
        for problem in _in_training(block):
            conversion.meet("training-mode", f"{node} with {problem}")
        for problem in _changes(block):
            conversion.meet("changed-module", f"{node} with {problem}")
        neuron = getattr(block, "neuron", None)
        if getattr(neuron, "persistent_state", False):
            if id(neuron) in keeping:
                problem = "a state that it keeps from its other place"
                conversion.meet("changed-module", f"{node} with {problem}")
            keeping.add(id(neuron))


def _in_training(block: Any) -> Iterator[str]:
    """What of a block depends on chance or on the batch while it is trained."""
    neuron = getattr(block, "neuron", None)
    drop, norm = getattr(neuron, "drop", None), getattr(neuron, "norm", None)
    if getattr(drop, "training", False):
        yield "dropout"
    if getattr(norm, "training", False) and getattr(norm, "update", True):
        yield "normalization"


def _changes(block: Any) -> Iterator[str]:
    """Whatever makes a block compute something else than its export says."""
    for name, module in block.named_modules():
        allowed = WEIGHT_NORM if getattr(module, "weight_norm_enabled", False) else ""
        found = _departure(module, allowed)
        if found:
            yield f"{found} in its {name}" if name else found
    if isinstance(getattr(block, "bias", None), torch.Tensor) and hasattr(block, "input_synapse"):
        yield "a bias"
    neuron = getattr(block, "neuron", None)
    if neuron is None:
        return
    drop = getattr(neuron, "drop", None)
    if drop is not None and not isinstance(drop, _DropoutNd):
        yield "something else for dropout"
    if getattr(neuron, "threshold", None) is not None and hasattr(neuron, "threshold_eps"):
        yield from _other_scales(neuron)
    for name in ("synapse", "input_synapse", "recurrent_synapse"):
        synapse = getattr(block, name, None)
        if isinstance(getattr(synapse, "weight", None), torch.Tensor):
            yield from _other_weights(block, name, synapse, neuron)


def _departure(module: nn.Module, allowed: str) -> str:
    for kind in type(module).__mro__:
        if kind.__module__.startswith(KNOWN):
            return departure(module, kind, allowed)
    return f"a {type(module).__name__}"


def _other_scales(neuron: Any) -> Iterator[str]:
    """Scales and thresholds that are not those of the fixed-point neuron."""
    if (neuron.p_scale, neuron.s_scale) != (DECAY_SCALE, STATE_SCALE * neuron.w_scale):
        yield "scales of its own"
    if neuron.threshold_eps != 0.01 / neuron.s_scale:
        yield "a threshold_eps of its own"
    mantissa = neuron.threshold * neuron.w_scale
    if mantissa != int(mantissa):
        yield "a threshold between two integers"


def _other_weights(block: Any, name: str, synapse: Any, neuron: Any) -> Iterator[str]:
    """Weights that the next sample would see otherwise than they are exported."""
    weight, convert = synapse.weight.detach(), synapse.pre_hook_fx
    if not callable(convert):
        yield f"weights in its {name} that nothing quantizes"
    elif not torch.equal(convert(weight) * neuron.w_scale, convert(weight, descale=True)):
        yield f"a pre_hook_fx in its {name} that scales by something else than {neuron.w_scale}"
    mask = getattr(block, "mask", None)
    if (
        mask is not None
        and not synapse.weight_norm_enabled
        and not torch.equal(weight * mask, weight)
    ):
        yield "a mask that waits for its next sample"
