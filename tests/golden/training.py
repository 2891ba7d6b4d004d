"""Float training: parameters, losses and answers after a few updates in double precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

import ltc2hw
from ltc2hw.neurons import LIFCell, LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import Split, Task
from ltc2hw.training import Recipe, TrainingOptions, train
from tests.golden.drawing import integers, samples
from tests.golden.files import FOLDER, table
from tests.golden.real import Numbers, plain

TRAINED = 1e-9
"""Difference allowed in an array after training, relative to its largest number."""

CELLS = {"LTC": LTCCell, "LIF": LIFCell}


@dataclass(frozen=True)
class Case:
    """A torch network, its parameters before training, how it is trained, and what came of it.

    ``layers``: kind, size and options of each cell; ``readout``: size and options. The one batch
    holds all samples, so that no generator decides their order.
    """

    name: str
    drawn: Mapping[str, Any]
    steps: int
    samples: int
    kind: Any
    read_from: Any
    layers: list[list[Any]]
    readout: list[Any]
    options: Mapping[str, Any]

    def task(self) -> Task:
        """Samples and labels; validation and test are the training samples."""
        x, seed = samples(self.drawn, self.steps, self.samples), int(self.drawn["seed"]) + 1
        size = self.readout[0]
        if self.kind == "classification":
            labels: Any = integers(seed, 0, size - 1, (self.samples,))
        else:
            labels = integers(seed, 0, 256, (self.samples, size)) / 256
        split = Split(x, labels)
        inputs = int(self.drawn["inputs"])
        return Task(self.name, self.kind, self.steps, inputs, size, split, split, split)

    def module(self) -> SpikingNetwork:
        """The network with the parameters that it is trained from."""
        inputs, cells = int(self.drawn["inputs"]), []
        for kind, size, options in self.layers:
            cells.append(CELLS[kind](inputs, size, **options))
            inputs = size
        size, options = self.readout
        last = ReadoutCell(inputs, size, **options)
        module = SpikingNetwork(cells, last, read_from=self.read_from).double()
        module.load_state_dict(
            {name: torch.from_numpy(values) for name, values in kept(self.name, "start").items()}
        )
        return module

    def run(self) -> Numbers:
        """Parameters after training, losses of every epoch, answers of the trained network."""
        options = TrainingOptions(batch_size=self.samples, augment=False, **self.options)
        task = self.task()
        result = train(task, Recipe(training=options), module=self.module())
        found = {name: value.numpy() for name, value in result.module.state_dict().items()}
        network = ltc2hw.converters.torch.from_module(result.module)
        answers = ltc2hw.simulate(network, task.train.x, "float64", ()).outputs
        losses = [(epoch.loss, epoch.validation_loss) for epoch in result.history]
        return plain({**found, "losses": losses, "answers": answers[-1]})

    def expected(self) -> Numbers:
        """What :meth:`run` gave when the case was written."""
        return plain(kept(self.name, "end"))


@cache
def arrays() -> dict[str, np.ndarray[Any, Any]]:
    """All arrays of all cases, by ``case/part/name``."""
    with np.load(FOLDER / "training.npz") as stored:
        return dict(stored)


def kept(name: str, part: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a case, before (``start``) or after (``end``) training."""
    prefix = f"{name}/{part}/"
    return {key[len(prefix) :]: v for key, v in arrays().items() if key.startswith(prefix)}


def cases() -> list[Case]:
    """All cases, in the order of the table."""
    return [Case(**case) for case in table("training")]
