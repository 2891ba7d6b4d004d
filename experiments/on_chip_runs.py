"""What the on-chip experiments share: the untrained network, schedules, runs kept on disk."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ltc2hw import FixedNetwork, Network, simulate
from ltc2hw.converters.populations import LTC, Gate, Readout
from ltc2hw.files.atomic import write_text
from ltc2hw.graph.network import Input, Projection
from ltc2hw.graph.structure import Port
from ltc2hw.numbers.weights import Dense
from ltc2hw.tasks import Split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BUILD = Path("build/on-chip")
RESULTS = Path("docs/results")
IMAGES = Path("docs/images")

THRESHOLD, ADAPTATION_STRENGTH = 0.1, 1.8


def untrained(hidden: int, seed: int, inputs: int = 8, outputs: int = 10) -> Network:
    """An event-gated layer and a readout, uniform random weights, gates by PLAN.

    Standard deviations: 2/√N_in from the input, 0.2/√H from the layer's own spikes, half of that
    into the gates, 1/√H into the readout.
    """
    rng = np.random.default_rng(seed)

    def weights(rows: int, columns: int, gain: float) -> Dense:
        limit = gain * np.sqrt(3.0 / columns)
        return Dense(rng.uniform(-limit, limit, (rows, columns)))

    def gate(size: int, bias: float) -> Gate:
        return Gate(np.full(size, bias), np.zeros(size), np.zeros(size), nonlinearity="plan")

    gains: dict[Port, tuple[float, float]] = {
        "current": (2.0, 0.2),
        "tau_mem": (1.0, 0.1),
        "tau_adp": (1.0, 0.1),
    }
    projections = (
        *(
            Projection("input", "value", "hidden", port, weights(hidden, inputs, gain))
            for port, (gain, _) in gains.items()
        ),
        *(
            Projection("hidden", "spikes", "hidden", port, weights(hidden, hidden, gain), delay=1)
            for port, (_, gain) in gains.items()
        ),
        Projection("hidden", "spikes", "readout", "current", weights(outputs, hidden, 1.0)),
    )
    neurons = LTC(
        "hidden",
        hidden,
        np.full(hidden, THRESHOLD),
        np.full(hidden, ADAPTATION_STRENGTH),
        np.zeros(hidden),
        gate(hidden, 0.0),
        gate(hidden, 2.0),
    )
    readout = Readout("readout", outputs, np.zeros(outputs), gate(outputs, 1.0))
    return Network((Input("input", inputs, graded=True), neurons, readout), projections, "readout")


def accuracy(network: Network | FixedNetwork, split: Split) -> float:
    """Share of samples whose largest output of the last step is their label's."""
    outputs = simulate(network, split.x, record=()).outputs[-1]
    return float(np.mean(outputs.argmax(axis=1) == split.labels))


def kept(name: str, settings: Mapping[str, Any], run: Callable[[], Any] | None) -> Any:
    """The result of a run as plain values, from disk where the same settings have been run.

    None where they have not, and there is nothing to run.
    """
    text = json.dumps(settings, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = BUILD / f"{name}-{digest}.json"
    if not path.exists():
        if run is None:
            return None
        BUILD.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"settings": settings, "result": run()}) + "\n")
    return json.loads(path.read_text(encoding="utf-8"))["result"]


def only_kept(description: str | None) -> bool:
    """Whether the command line asks for the runs on disk alone (``--kept``)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--kept", action="store_true", help="show what has been run, run nothing")
    return bool(parser.parse_args().kept)


def write_results(name: str, content: Mapping[str, Any]) -> Path:
    """Write what an experiment found."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    write_text(path, json.dumps(content, indent=1) + "\n")
    return path


def save_figure(figure: Figure, name: str) -> None:
    """Draw a figure among the images of the documentation, the same bytes for the same figure."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None})


def median_and_range(values: Sequence[float]) -> str:
    """Percentages: the median and the range of a few runs.

    >>> median_and_range([0.93, 0.92, 0.95])
    '93.0 (92.0 to 95.0)'
    """
    low, middle, high = (100 * float(f(values)) for f in (np.min, np.median, np.max))
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"
