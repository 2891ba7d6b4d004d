"""What networks lose as integers, what the account names first, and what wins it back.

``python -m experiments.accuracy rows-3 lsnn-4 outlier --out runs`` makes each network, then does by
the command line what a user would: ``quantize``, ``compare``, the first command that it advises,
``tune``, and ``train --start`` through all rounding. A case that is in the folder is read, not
made again; ``--models`` takes networks from another such folder, so that only what is done with
them is done anew, and ``--untrained`` leaves out training through rounding. ``python -m
experiments.accuracy table --out runs`` prints what is there.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import ltc2hw
from ltc2hw.comparison.markdown import table_markdown
from ltc2hw.comparison.tables import Table
from ltc2hw.converters.torch import from_module
from ltc2hw.graph.network import Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.calibration import TRAINING_SAMPLES
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.remedies.equalise import equalisable, with_factors
from ltc2hw.tasks import Task, load_task
from ltc2hw.training import ModelOptions, Recipe, train
from ltc2hw.training.recipes import recipe_for

ALLOWED = [word for name in LIMITS for word in ("--allow", name)]
"""What loses accuracy is made all the same, so that it can be measured."""

Maker = Callable[[Task, int], Network]


@dataclass(frozen=True)
class Case:
    """A network of a task, the width of its weights, and the brightness it is calibrated at.

    ``planted``: beginnings of names of parts of which one has to be named first; ``learns``: epochs
    of training through rounding, 0 where a planted fault is not one of width.
    """

    task: str
    make: Maker
    bits: int | None = None
    calibrated: float = 1.0
    planted: tuple[str, ...] = ()
    learns: int = 30


def trained(**model: Any) -> Maker:
    """A network by the recipe of its task, without rounding in training."""

    def make(task: Task, seed: int) -> Network:
        recipe = recipe_for(task).with_model(**model).with_training(weight_bits=None, seed=seed)
        return from_module(train(task, recipe).module)

    return make


def integrate_and_fire(task: Task, seed: int) -> Network:
    """Neurons that integrate what arrives, and lose their threshold when they fire."""
    model = ModelOptions(hidden=(64,), neuron="if_subtract", recurrent=False)
    training = recipe_for(task).with_training(weight_bits=None, seed=seed).training
    return from_module(train(task, Recipe(model, training)).module)


def norse(task: Task, seed: int) -> Network:
    """Norse's LSNN with random weights, imported, and trained as any network that there is."""
    import torch
    from norse import torch as snn

    torch.manual_seed(seed)
    cells = snn.LSNNParameters(
        tau_syn_inv=torch.tensor(1000.0),
        tau_mem_inv=torch.full((64,), 300.0),
        tau_adapt_inv=torch.full((64,), 100.0),
        v_leak=torch.tensor(0.0),
        v_th=torch.tensor(0.3),
        v_reset=torch.tensor(0.0),
        beta=torch.full((64,), 0.2),
    )
    spiking = snn.LSNNRecurrent(task.inputs, 64, p=cells, dt=0.001)
    module = snn.SequentialState(
        spiking, torch.nn.Linear(64, task.outputs, bias=False), snn.LI(snn.LIParameters())
    )
    start = ltc2hw.converters.norse.from_module(module, graded_input=True)
    # FPTT, an update at each step, comes to half of these answers.
    own = recipe_for(task).with_training(weight_bits=None, seed=seed, method="bptt")
    return from_module(train(task, Recipe(training=own.training), start=start).module)


def outlier(task: Task, seed: int) -> Network:
    """One neuron with 256 times the weights, bias and threshold: the same function in float."""
    network = trained(hidden=(64,))(task, seed)
    factors = np.ones(64)
    factors[5] = 256.0
    return with_factors(network, "hidden", equalisable(network)["hidden"], factors)


def slow_leak(task: Task, seed: int) -> Network:
    """Outputs that leak by a few steps, or less than one, of what holds a gate, each by its own.

    So slow, outputs only sum up what arrives: their weights are those of a least squares fit of the
    labels by spike counts of training samples, times what makes up for each output's own pace.
    """
    network = trained(hidden=(64,))(task, seed)
    output = network.population(network.output)
    assert isinstance(output, Neurons)
    counts = ltc2hw.simulate(network, task.train.x, record=("spikes",)).spikes["hidden"].sum(axis=0)
    seen = np.concatenate([counts, np.ones((len(counts), 1))], axis=1).astype(np.float64)
    wanted = np.eye(output.size)[task.train.labels] - 1 / output.size
    ridge = np.eye(seen.shape[1])
    fitted = np.linalg.solve(seen.T @ seen + ridge, seen.T @ wanted).T
    paces = np.exp2(np.random.default_rng(seed).uniform(np.log2(0.6), np.log2(2.4), output.size))
    fitted *= 20.0 * (paces.mean() / paces)[:, None]
    constants: dict[str, FloatArray] = {
        name: np.zeros(output.size) for name in ("tau_mem.from_state", "tau_mem.from_current")
    }
    # PLAN rises by a 32nd from -5 on.
    constants["tau_mem.bias"] = -5.0 + 32.0 * SLOW * paces
    constants["bias_current"] = fitted[:, -1] / task.steps
    populations = tuple(
        output.with_constants(constants) if p.name == output.name else p
        for p in network.populations
    )

    def landing(projection: Projection) -> Projection:
        if projection.target != output.name:
            return projection
        values = (
            fitted[:, :-1] if projection.port == "current" else np.zeros(projection.weights.shape)
        )
        return replace(projection, weights=Dense(values))

    projections = tuple(map(landing, network.projections))
    return replace(network, populations=populations, projections=projections)


SLOW = 2.0**-15
"""Part of an output that leaks in a step, times 0.6 to 2.4."""


def cases() -> dict[str, Case]:
    """Every case by name."""
    found = {
        f"{name}-{bits}": Case(f"digits-{name}", trained(), bits)
        for name in ("rows", "pixels")
        for bits in (4, 3, 2)
    }
    return found | {
        "lsnn-4": Case("digits-rows", norse, 4),
        "mnist-rows-4": Case("mnist-rows", trained(), 4, learns=3),
        "if-4": Case("digits-rows", integrate_and_fire, 4),
        "outlier": Case("digits-rows", outlier, planted=("input.value", "hidden.spikes"), learns=0),
        "leak": Case("digits-rows", slow_leak, planted=("output",), learns=0),
        "clipped": Case(
            "digits-rows",
            trained(hidden=(64,)),
            calibrated=0.25,
            planted=("input samples",),
            learns=0,
        ),
    }


class Folder:
    """Where the files of one case lie, and the commands that run there."""

    def __init__(self, path: Path, case: Case, data_root: str | None) -> None:
        self.path, self.case = path, case
        self.task = load_task(case.task)
        self.widths = [] if case.bits is None else ["--weight-bits", str(case.bits)]
        self.data = [] if data_root is None else ["--data-root", data_root]

    def run(self, *words: str) -> None:
        """Run a command of ltc2hw; what it says of bad input ends the experiment."""
        done = subprocess.run(
            [sys.executable, "-m", "ltc2hw", *words, "--quiet"],
            cwd=self.path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode > 1:
            raise SystemExit(f"{shlex.join(words)}: {done.stderr}")

    def score(self, name: str) -> float:
        """Test score of a network, in the engine that fits it."""
        network, test = ltc2hw.load(self.path / name), self.task.test
        return float(self.task.score(ltc2hw.simulate(network, test.x).outputs, test.labels))

    def content(self, name: str) -> Any:
        """A file of JSON."""
        return json.loads((self.path / name).read_text(encoding="utf-8"))

    def quantize(self) -> None:
        """The integers as a user first has them."""
        words = ["--task", self.case.task, *self.data]
        if self.case.calibrated != 1.0:
            dim = self.task.train.x[:, :256].transpose(1, 0, 2) * self.case.calibrated
            np.save(self.path / "dim.npy", dim)
            words = ["--calibration", "dim.npy", "--layout", "batch-first"]
        out = ["--target", "loihi2", *self.widths, *ALLOWED, "--out", "fixed.h5"]
        self.run("quantize", "model.h5", *words, *out)

    def advised(self) -> dict[str, Any]:
        """The account, and what its first advice brings."""
        first = ["compare", "model.h5", "fixed.h5", "--task", self.case.task, *self.data]
        self.run(*first, "--engines", "fast", "--out", "report.json")
        report = self.content("report.json")
        account, advice = report["account"], report["advice"]
        found = {
            "float": report["scores"]["float64"],
            "plain": report["scores"]["fast"],
            "first": account["shares"][0]["name"],
            "sum": sum(share["score"]["share"] for share in account["shares"]),
        }
        if advice:
            _, *words = shlex.split(advice[0]["command"])
            self.run(*words, *self.data, *ALLOWED)
            found |= {"advice": advice[0]["command"], "advised": self.score("fixed.h5")}
        return found

    def tuned(self) -> float:
        """What tuning comes to without training, at the widths that were asked for."""
        words = ["--target", "loihi2", "--task", self.case.task, *self.data, *self.widths]
        self.run("tune", "model.h5", *words, *ALLOWED, "--out", "tuned.h5", "--json", "tuned.json")
        return float(self.content("tuned.json")["test"]["tuned"])

    def learned(self) -> float:
        """What training through all rounding comes to."""
        chip = ["--target", "loihi2", *self.widths]
        words = [self.case.task, *self.data, "--start", "model.h5", *chip, "--round", "all"]
        self.run("train", *words, "--epochs", str(self.case.learns), "--out", "learned.h5")
        # What training calibrates on, so that the integers are those that it was judged by.
        samples = ["--samples", str(TRAINING_SAMPLES)]
        own = [*chip, "--task", self.case.task, *self.data, *samples, *ALLOWED]
        self.run("quantize", "learned.h5", *own, "--out", "learned-fixed.h5")
        return self.score("learned-fixed.h5")


@dataclass(frozen=True)
class Places:
    """Where results go, where networks may be found, and where data lie."""

    out: Path
    models: Path | None
    data_root: str | None


def measured(name: str, case: Case, seed: int, places: Places) -> dict[str, Any]:
    """One case: read from its folder, or made."""
    own = f"{name}-seed{seed}"
    path = places.out / own
    result = path / "result.json"
    if result.exists():
        return dict(json.loads(result.read_text(encoding="utf-8")))
    path.mkdir(parents=True, exist_ok=True)
    folder = Folder(path, case, places.data_root)
    made = None if places.models is None else places.models / own / "model.h5"
    if made is not None and made.exists():
        shutil.copyfile(made, path / "model.h5")
    if not (path / "model.h5").exists():
        ltc2hw.save(case.make(folder.task, seed), path / "model.h5")
    folder.quantize()
    found: dict[str, Any] = {"case": name, "seed": seed, **folder.advised()}
    found["tuned"] = folder.tuned()
    if case.learns:
        found["learned"] = folder.learned()
    if case.planted:
        found["named"] = found["first"].startswith(case.planted)
    result.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def won_back(found: Mapping[str, Any], what: str) -> str:
    """A score, and the part of the loss that it wins back."""
    if what not in found:
        return ""
    loss = found["float"] - found["plain"]
    part = f" ({100 * (found[what] - found['plain']) / loss:.0f} %)" if loss > 0 else ""
    return f"{100 * found[what]:.2f}{part}"


COLUMNS = ("case", "float", "plain", "named first", "first advice", "tune", "train --start")


def rows(results: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """A row for each case and seed, and one for the mean of a case's seeds."""
    found = [row_of(f"{own['case']}, {own['seed']}", own) for own in results]
    for case in dict.fromkeys(own["case"] for own in results):
        seeds = [own for own in results if own["case"] == case]
        if len(seeds) > 1:
            found.append(row_of(f"{case}, mean of {len(seeds)}", mean_of(seeds)))
    return tuple(found)


def row_of(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Scores in per cent, and the part of the loss that is won back."""
    return (
        name,
        f"{100 * found['float']:.2f}",
        f"{100 * found['plain']:.2f}",
        found["first"],
        *(won_back(found, what) for what in SCORES),
    )


SCORES = ("advised", "tuned", "learned")
"""Scores of what wins back, by their names in a result."""


def mean_of(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean scores of several seeds, so that what is won back is a part of all that they lose.

    A seed without advice stays as it is quantized; what was not measured on all is left out.
    """
    advised = [{"advised": own["plain"], **own} for own in seeds]
    names = [n for n in ("float", "plain", *SCORES) if all(n in own for own in advised)]
    means: dict[str, Any] = {n: float(np.mean([own[n] for own in advised])) for n in names}
    firsts = dict.fromkeys(own["first"] for own in seeds)
    return means | {"first": next(iter(firsts)) if len(firsts) == 1 else f"{len(firsts)} parts"}


def main() -> None:
    """Read the options, make what is missing, print the table."""
    known = cases()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="+", choices=[*known, "all", "table"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--untrained", action="store_true")
    parser.add_argument("--data-root")
    given = parser.parse_args()
    if "table" in given.cases:
        found = [json.loads(p.read_text("utf-8")) for p in sorted(given.out.glob("*/result.json"))]
    else:
        names = list(known) if "all" in given.cases else given.cases
        found = []
        places = Places(given.out, given.models, given.data_root)
        for name in names:
            case = replace(known[name], learns=0) if given.untrained else known[name]
            for seed in given.seeds:
                found.append(measured(name, case, seed, places))
                print(json.dumps(found[-1]), flush=True)
    print(table_markdown(Table("Won back, per cent", COLUMNS, rows(found))))


if __name__ == "__main__":
    main()
