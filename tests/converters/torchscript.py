"""A module whose TorchScript archive runs code when it is loaded."""

# TorchScript reads annotations as they stand, so that they are no texts here.
from typing import Tuple  # noqa: UP035

import torch


class Program(torch.nn.Module):
    """Writes a file when it is loaded."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark = mark

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> Tuple[str, bool]:  # noqa: UP006
        return self.mark, self.training

    @torch.jit.export
    def __setstate__(self, state: Tuple[str, bool]) -> None:  # noqa: UP006
        self.mark, self.training = state
        torch.save(torch.ones(1), self.mark)
