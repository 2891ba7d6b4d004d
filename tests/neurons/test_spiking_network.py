"""SpikingNetwork: what fits together, and state across calls."""

from __future__ import annotations

import pytest
import torch

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
from tests.neurons.randomised import randomised


def test_sizes_must_fit() -> None:
    with pytest.raises(ShapeError, match="inputs of cell 1 is 5; expected 4"):
        SpikingNetwork([LTCCell(2, 4)], ReadoutCell(5, 3))
    with pytest.raises(InvalidValueError, match="layers is 0"):
        SpikingNetwork([], ReadoutCell(5, 3))
    with pytest.raises(UnknownNameError, match="spikes, membrane"):
        SpikingNetwork([LTCCell(2, 5)], ReadoutCell(5, 3), read_from="rates")  # type: ignore[arg-type]


def test_state_carries_a_run_on() -> None:
    module = SpikingNetwork([LTCCell(2, 6), LTCCell(6, 4)], ReadoutCell(4, 3))
    randomised(module, seed=30)
    x = torch.rand(12, 5, 2, generator=torch.Generator().manual_seed(31))
    with torch.no_grad():
        whole, _ = module(x)
        first, state = module(x[:5])
        second, _ = module(x[5:], state)
    assert torch.equal(whole, torch.cat((first, second)))
