"""A second layer that predicts what the first one sends, on integers, without labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from experiments.on_chip_runs import untrained
from experiments.self_supervised_streams import HIDDEN, REACH, SCHEDULE, TASK, AnyNetwork, learned
from ltc2hw import FixedNetwork, Network, QuantizeOptions, quantize, simulate
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.learning.prediction import next_heard, predictor_of, with_predictor
from ltc2hw.tasks import Split, load_task

FIRST, SECOND = "hidden", "deeper"


def two_layers(seed: int) -> Network:
    """Two random layers, one behind the other, each with a predictor."""
    first = untrained(HIDDEN, seed)
    second = untrained(HIDDEN, 1000 + seed, inputs=HIDDEN)
    names = {"input": FIRST, FIRST: SECOND}
    below = [p for p in first.projections if p.target == FIRST]
    above = [
        replace(p, source=names[p.source], variable="spikes", target=names.get(p.target, p.target))
        for p in second.projections
    ]
    layer = replace(second.populations[1], name=SECOND)
    populations = (*first.populations[:2], layer, second.populations[2])
    network = Network(populations, (*below, *above), first.output)
    return with_predictor(with_predictor(network, FIRST, seed), SECOND, seed)


def error(network: AnyNetwork, layer: str, train: Split, test: Split) -> tuple[float, float]:
    """Errors on test samples relative to a constant's: of a predictor, and of the same as now."""
    assert isinstance(network, FixedNetwork)
    predicting = network.with_output(predictor_of(network, layer))
    said = real_outputs(predicting, simulate(predicting, test.x, record=()))
    targets = next_heard(network, layer, test.x)
    # Targets tell what is heard from step 1 on; both predictors are judged on these steps.
    now, own, wanted = targets[:-2], said[1:-1], targets[1:-1]
    mean = np.nanmean(next_heard(network, layer, train.x), axis=(0, 1))
    spread = ((wanted - mean) ** 2).sum()
    return float(((own - wanted) ** 2).sum() / spread), float(((now - wanted) ** 2).sum() / spread)


def depth(seed: int) -> dict[str, float]:
    """Errors of the second layer, whose own weights are frozen or learn, above one that learned."""
    task = load_task(TASK)
    train, test = task.train, task.test
    start = quantize(two_layers(seed), "loihi2", train.x, QuantizeOptions(weight_reach=REACH))
    below = learned(start, train, SCHEDULE, seed, layer=FIRST)
    readout_alone = {predictor_of(below, SECOND): ("current",)}
    frozen = learned(below, train, SCHEDULE, seed, layer=SECOND, ports=readout_alone)
    own = learned(below, train, SCHEDULE, seed, layer=SECOND)
    return {
        "same as now": error(own, SECOND, train, test)[1],
        "frozen random second layer": error(frozen, SECOND, train, test)[0],
        "second layer learns": error(own, SECOND, train, test)[0],
    }
