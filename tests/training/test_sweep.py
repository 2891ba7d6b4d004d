"""The way back through a piece, against matrix products written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltc2hw.numbers.words import FloatArray
from ltc2hw.training.sweep import sweep


@pytest.mark.parametrize("states", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 2, 7, 32, 33])
def test_a_sweep_is_the_plain_recursion(states: int, steps: int) -> None:
    rng = np.random.default_rng(steps)
    carry = rng.normal(size=(steps, states, states, 4, 3)) / states
    added = rng.normal(size=(steps, states, 4, 3))
    found = sweep(torch.from_numpy(carry), torch.from_numpy(added))
    assert found.credit.shape == (steps + 1, states, 4, 3)
    for b in range(4):
        for n in range(3):
            credit: FloatArray = np.zeros(states)
            product: FloatArray = np.eye(states)
            for step in range(steps, -1, -1):
                if step < steps:
                    own = carry[step, :, :, b, n]
                    credit = added[step, :, b, n] + own.T @ credit
                    product = product @ own
                for values, wanted in (
                    (found.credit[step, :, b, n], credit),
                    (found.products[step, :, :, b, n], product),
                ):
                    np.testing.assert_allclose(values.numpy(), wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_sweeps_to_the_same_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    carry = torch.rand(100, 3, 3, 8, 16, generator=generator).double() / 3.0
    added = torch.rand(100, 3, 8, 16, generator=generator).double()
    here, there = sweep(carry, added), sweep(carry.cuda(), added.cuda())
    for own, other in zip(here, there, strict=True):
        torch.testing.assert_close(own, other.cpu(), rtol=1e-10, atol=1e-10)
