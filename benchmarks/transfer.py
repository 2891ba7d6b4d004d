"""A recurrent network trained in Norse, through a NIR file, into the integers of Loihi 2.

The real 8x8 digits, one row after the other, each as three steps of spikes (a pixel spikes in as
many of them as it is bright). LIF with synaptic currents and recurrence, a leaky readout.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import ltc2hw
from benchmarks.report import ResultTable
from ltc2hw.converters import nir

SEEDS = (0, 1, 2)
EPOCHS = 25
HIDDEN = 64
TRAINED = 1300
CALIBRATED = 200
READ = 8
"""Last steps whose mean output decides."""

BITS = (8, 6, 5, 4)


def run() -> ResultTable:
    """Test accuracy in Norse, in float after NIR, and in integers of several weight widths."""
    x, labels = digits()
    rows = [(str(seed), *scores(x, labels, seed)) for seed in SEEDS]
    columns = (
        "seed",
        "Norse",
        "float64 after NIR",
        *(f"integers, {bits}-bit weights" for bits in BITS),
    )
    note = (
        f"{len(labels) - TRAINED} test digits, loihi2, calibrated on {CALIBRATED} training digits."
    )
    return ResultTable("A recurrent Norse network through NIR", columns, tuple(rows), note)


def digits() -> tuple[Any, Any]:
    """Spikes (24, B, 8) and labels, in one fixed order."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    rows = np.repeat(data.images[order] / 16.0, 3, axis=1).transpose(1, 0, 2)
    level = np.tile((np.arange(3) + 0.5) / 3, 8)[:, None, None]
    return (rows > level).astype(np.float64), data.target[order]


def scores(x: Any, labels: Any, seed: int) -> tuple[str, ...]:
    """Accuracies on the digits that were not trained on."""
    import torch

    from ltc2hw.converters import norse

    module = trained(x[:, :TRAINED], labels[:TRAINED], seed)
    test, truth = x[:, TRAINED:], labels[TRAINED:]
    with torch.no_grad():
        answers = [module(torch.tensor(test))[0].numpy()]
    with tempfile.TemporaryDirectory() as folder:
        nir.write(norse.from_module(module), Path(folder) / "net.nir")
        network = nir.read(Path(folder) / "net.nir")
    answers.append(ltc2hw.simulate(network, test).outputs)
    for bits in BITS:
        options = ltc2hw.QuantizeOptions(weight_bits=bits)
        fixed = ltc2hw.quantize(network, "loihi2", x[:, :CALIBRATED], options)
        answers.append(ltc2hw.simulate(fixed, test).outputs)
    return tuple(f"{(a[-READ:].mean(0).argmax(-1) == truth).mean():.1%}" for a in answers)


def trained(x: Any, labels: Any, seed: int) -> Any:
    """A Norse network after some epochs of BPTT."""
    import torch
    from norse import torch as snn

    torch.manual_seed(seed)
    lif = snn.LIFParameters(
        tau_syn_inv=torch.tensor(400.0), tau_mem_inv=torch.tensor(200.0), v_th=torch.tensor(0.5)
    )
    leaky = snn.LIParameters(torch.tensor(400.0), torch.tensor(100.0), torch.tensor(0.0))
    identity = torch.eye(HIDDEN)
    module = snn.SequentialState(
        snn.Lift(torch.nn.Linear(8, HIDDEN)),
        snn.LIFRecurrent(HIDDEN, HIDDEN, lif, autapses=True, input_weights=identity),
        snn.Lift(torch.nn.Linear(HIDDEN, 10)),
        snn.LI(leaky),
    )
    with torch.no_grad():
        module[0].lifted_module.weight.mul_(4.0)
        module[1].recurrent_weights.mul_(0.5)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    samples = torch.tensor(x, dtype=torch.float32)
    truth = torch.tensor(labels)
    for _ in range(EPOCHS):
        for part in torch.split(torch.randperm(len(truth)), 100):
            output, _ = module(samples[:, part])
            loss = torch.nn.functional.cross_entropy(5.0 * output[-READ:].mean(0), truth[part])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    module[1].input_weights = identity.double()  # no parameter, hence not converted below
    return module.double().eval()
