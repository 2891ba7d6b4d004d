"""An LSTM with the call of the spiking networks, to compare with."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ltc2hw.neurons.entering import WINDOW, entering, state_in
from ltc2hw.neurons.initialise import check_parameters, check_sizes


class LSTMState(NamedTuple):
    """What an LSTM remembers, each (1, B, N)."""

    hidden: Tensor
    cell: Tensor

    def detach(self) -> LSTMState:
        """The same state without its past: no gradient crosses it."""
        return LSTMState(self.hidden.detach(), self.cell.detach())


class LSTMNetwork(nn.Module):
    """One LSTM layer and a linear readout of every step: (T, B, N_in) -> (T, B, N_out).

    Initial values are torch's, drawn from ``seed``. Source: Hochreiter, Schmidhuber 1997, as in
    torch.nn.LSTM.

    >>> LSTMNetwork(2, 5, 1, seed=0)(torch.ones(7, 4, 2))[0].shape
    torch.Size([7, 4, 1])
    """

    def __init__(self, inputs: int, size: int, outputs: int, *, seed: int) -> None:
        super().__init__()
        check_sizes(inputs=inputs, size=size, outputs=outputs)
        check_parameters(inputs, size, 4, size)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self.lstm = nn.LSTM(inputs, size)
            self.readout = nn.Linear(size, outputs)

    def forward(self, x: Tensor, state: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """Run over x; a state of None is all zeros."""
        like = self.readout.bias
        x = entering(self, x, self.lstm.input_size, like, WINDOW)
        shape = self._shape(x)
        zero = like.new_zeros(shape)
        zeros = LSTMState(zero, zero)
        before = state_in(self, zeros, zeros if state is None else state, shape, like)
        hidden, after = self.lstm(x, before)
        return self.readout(hidden), LSTMState(*after)

    def _shape(self, x: Tensor) -> tuple[int, ...]:
        """Shape of both registers."""
        return 1, x.shape[1], self.lstm.hidden_size
