"""Cells inside Norse's SequentialState, with Norse itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ltc2hw.neurons import LIFCell, LTCCell, ReadoutCell
from tests.neurons.randomised import randomised


def test_cells_run_inside_sequential_state() -> None:
    norse = pytest.importorskip("norse.torch")
    cells = (LTCCell(3, 6), LTCCell(6, 5, gate="dense"), LIFCell(5, 5), ReadoutCell(5, 2))
    model = norse.SequentialState(nn.Linear(4, 3), *cells)
    randomised(model, seed=40)
    x = torch.rand(10, 7, 4, generator=torch.Generator().manual_seed(41))
    state, own = None, [None] * len(cells)
    with torch.no_grad():
        for values in x:
            output, state = model(values, state)
            expected = model[0](values)
            for index, cell in enumerate(cells):
                expected, own[index] = cell(expected, own[index])
            assert torch.equal(output, expected)
    assert float(output.abs().max()) > 0
