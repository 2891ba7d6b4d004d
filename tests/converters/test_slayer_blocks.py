"""slayer blocks that compute something else than their export says are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters import netx
from ltc2hw.errors import InvalidValueError, UnsupportedError

torch = pytest.importorskip("torch")
slayer = pytest.importorskip("lava.lib.dl.slayer", reason="the lava-dl extra is missing")

# lava-dl is frozen and uses what torch has since renamed.
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")

cuba = slayer.block.cuba
Dense: Any = cuba.Dense
Module: Any = torch.nn.Module
SIZE, STEPS, BATCH = 9, 40, 4


def options(**changes: Any) -> dict[str, Any]:
    return {"threshold": 0.5, "current_decay": 0.4, "voltage_decay": 0.2, **changes}


def seen(block: Any) -> Any:
    """A block that saw a sample, as it stands after training."""
    block(torch.zeros(BATCH, SIZE, 2))
    return block.eval()


def dense(**changes: Any) -> Any:
    torch.manual_seed(3)
    return seen(cuba.Dense(options(**changes), SIZE, SIZE, weight_scale=4))


def recurrent() -> Any:
    torch.manual_seed(3)
    return seen(cuba.Recurrent(options(), SIZE, SIZE, weight_scale=4))


def samples() -> Any:
    torch.manual_seed(4)
    return (torch.rand(BATCH, SIZE, STEPS) < 0.3).float()


def same_bits(blocks: list[Any]) -> None:
    """What the last block answers, a step late, is what our network does."""
    x = samples()
    with torch.no_grad():
        answer = x
        for block in blocks:
            answer = block(answer)
    spikes = answer.numpy().transpose(2, 0, 1)
    assert spikes.any()
    network = netx.from_module(blocks)
    ours = ltc2hw.simulate(network, x.numpy().transpose(2, 0, 1), engine="integer").outputs
    assert np.array_equal(ours[:-1], spikes[1:])


def test_dropout_acts_in_training_alone() -> None:
    block = dense(dropout=slayer.neuron.Dropout(0.5))
    same_bits([block])
    block.train()
    with pytest.raises(UnsupportedError, match=r"block 0 \(Dense\) with dropout.*module\.eval"):
        netx.from_module([block])


def test_normalization_in_training_is_refused() -> None:
    block = dense(norm=slayer.neuron.norm.MeanOnlyBatchNorm)
    block.neuron.norm.running_mean += 0.1
    netx.from_module([block])
    block.train()
    with pytest.raises(UnsupportedError, match=r"block 0 .* with normalization"):
        netx.from_module([block])
    # Without updates it is the trained one.
    block.neuron.norm.update = False
    netx.from_module([block])


def test_a_block_may_stand_twice_unless_it_keeps_its_state() -> None:
    block = dense()
    same_bits([block, block])
    block = recurrent()
    with pytest.raises(UnsupportedError, match=r"block 1 .* that it keeps from its other place"):
        netx.from_module([block, block])


def changed(block: Any, change: Callable[[Any], object]) -> Any:
    change(block)
    return block


def hook(*given: Any) -> None:
    """Sees what passes."""


class Doubling(Dense):
    def forward(self, x: Any) -> Any:
        return super().forward(2 * x)


class Learned(Module):
    def forward(self, x: Any) -> Any:
        return x


def replace_neuron(block: Any) -> None:
    block.neuron.drop = Learned().eval()


def masked() -> Any:
    mask = torch.ones(SIZE, SIZE)
    mask[2] = 0
    block = seen(cuba.Dense(options(), SIZE, SIZE, weight_scale=4, mask=mask))
    same_bits([block])
    block.synapse.weight.data += 1.0
    return block


CHANGED: dict[str, Callable[[], Any]] = {
    r"with a forward hook \(function\)": lambda: changed(
        dense(), lambda block: block.register_forward_hook(hook)
    ),
    "a forward pre-hook .* in its synapse": lambda: changed(
        dense(), lambda block: block.synapse.register_forward_pre_hook(hook)
    ),
    "forward of its own in its neuron": lambda: changed(
        dense(), lambda block: setattr(block.neuron, "forward", torch.relu)
    ),
    "forward of class Doubling": lambda: seen(Doubling(options(), SIZE, SIZE)),
    "a Learned in its neuron.drop": lambda: changed(dense(), replace_neuron),
    "a BatchNorm1d in its neuron.norm": lambda: dense(norm=lambda: torch.nn.BatchNorm1d(SIZE)),
    "something else for dropout": lambda: dense(dropout=lambda spikes: 0 * spikes),
    "a bias": lambda: changed(
        recurrent(), lambda block: setattr(block, "bias", torch.ones(1, SIZE, 1))
    ),
    "a mask that waits": masked,
    "a threshold between two integers": lambda: changed(
        dense(), lambda block: setattr(block.neuron, "_threshold", 0.501)
    ),
    "scales of its own": lambda: changed(
        dense(), lambda block: setattr(block.neuron, "s_scale", 64)
    ),
    "a threshold_eps of its own": lambda: changed(
        dense(), lambda block: setattr(block.neuron, "threshold_eps", 0.1)
    ),
    "a pre_hook_fx in its synapse": lambda: changed(
        dense(),
        lambda block: setattr(block.synapse, "pre_hook_fx", lambda w, descale=False: w.round()),
    ),
    "that nothing quantizes": lambda: changed(
        dense(), lambda block: setattr(block.synapse, "pre_hook_fx", None)
    ),
}


@pytest.mark.parametrize("found", list(CHANGED))
def test_what_changes_a_block_is_named(found: str) -> None:
    block = CHANGED[found]()
    with pytest.raises(UnsupportedError, match=f"block 0 .*{found}") as caught:
        netx.from_module([block])
    assert caught.value.feature.startswith("a module that computes something else")


def test_hooks_of_the_whole_module_are_seen() -> None:
    class Network(Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = torch.nn.ModuleList([dense()])

    network = Network()
    netx.from_module(network)
    network.register_forward_hook(hook)
    with pytest.raises(UnsupportedError, match="Network with a forward hook"):
        netx.from_module(network)


def test_other_things_are_no_blocks() -> None:
    for other in (3, None, [torch.nn.Linear(2, 3)]):
        with pytest.raises(InvalidValueError, match="slayer block"):
            netx.from_module(other)  # type: ignore[arg-type]
