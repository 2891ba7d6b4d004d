"""LIF cells against their equations in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltc2hw.errors import InvalidValueError
from ltc2hw.neurons import LIFCell, LIFState
from tests.neurons.randomised import randomised


def test_states_follow_the_equations() -> None:
    cell = LIFCell(3, 5, recurrent=True, current_decay=0.25, membrane_decay=0.125).double()
    randomised(cell, seed=20)
    p = {name: value.detach().numpy() for name, value in cell.state_dict().items()}
    x = (np.random.default_rng(21).random((50, 3)) < 0.5).astype(np.float64)
    i = v = s = np.zeros((5,), dtype=np.float64)
    state: LIFState | None = None
    fired = 0
    for values in x:
        with torch.no_grad():
            spikes, state = cell(torch.from_numpy(values)[None], state)
        i = 0.75 * i + p["weight_input"] @ values + p["weight_recurrent"] @ s
        v = 0.875 * v + i + p["bias"]
        s = (v > 0.5).astype(np.float64)
        v = v * (1.0 - s)
        for found, wanted in zip(state, (i, v, s), strict=True):
            np.testing.assert_allclose(found[0].numpy(), wanted, rtol=0, atol=1e-12)
        fired += int(spikes.sum())
    assert 0 < fired < 250


def test_decays_outside_zero_to_one_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"membrane_decay is 1\.5"):
        LIFCell(3, 5, membrane_decay=1.5)
