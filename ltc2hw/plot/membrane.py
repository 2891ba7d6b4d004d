"""A membrane against its threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ltc2hw.comparison.drawing import BOTH_COLOR, FLOAT_COLOR, INTEGER_COLOR, shortened
from ltc2hw.comparison.excerpt import THRESHOLD, constant_threshold
from ltc2hw.comparison.figures import membrane_on
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.frames import Units, in_units
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.scalars import is_integer, require_type, shown
from ltc2hw.numbers.words import FloatArray
from ltc2hw.plot.axes import along_time, axes_for, chosen_sample

HEIGHT = 2.4


def membrane(
    trace: Trace,
    population: str | None = None,
    neuron: int | None = None,
    sample: int = 0,
    network: Network | FixedNetwork | None = None,
    variable: str = "membrane",
    units: Units = "real",
    ax: Axes | None = None,
) -> Axes:
    """Draw one neuron's membrane, and its threshold and spikes where they are known.

    Membranes are shown after the reset, so that a spike is where the membrane falls. The threshold
    is the recorded one (``record="all"``), or the constant of a ``network`` whose thresholds do not
    change. ``population`` and ``neuron`` are those that spike most, if left out; ``variable`` is
    any that was recorded.

    Raises:
        UnknownNameError: for what was not recorded.
        InvalidValueError: for a sample or neuron that is not there, integers of unknown scale, and
            a network whose thresholds change and were not recorded.

    >>> import numpy as np, ltc2hw
    >>> from ltc2hw.graph.network import Input, Network, Projection
    >>> from ltc2hw.numbers.weights import Dense
    >>> link = Projection("input", "spikes", "out", "current", Dense([[0.5, 1.0]]))
    >>> out = ltc2hw.Neurons("out", 1, "lif", {"current_decay": 0.5})
    >>> net = Network((Input("input", 2), out), (link,), "out")
    >>> axes = membrane(ltc2hw.simulate(net, np.ones((9, 1, 2))), network=net)
    >>> axes.get_ylabel()
    'out: membrane'
    """
    sample = chosen_sample(trace, sample)
    name = _population(trace, population, variable, sample)
    recorded = trace.recorded()
    values = in_units((name, variable), recorded[name, variable], trace.notes, units)
    chosen = _neuron(trace, name, neuron, sample, values.shape[2])
    end = trace.outputs.shape[0]
    if trace.notes.lengths is not None:
        end = int(trace.notes.lengths[sample])
    steps = np.arange(end)
    place: Any = (slice(end), sample, chosen)
    line = values[place].astype(np.float64)
    spikes = trace.spikes[name][place] if name in trace.spikes else np.zeros(end)
    threshold = _threshold(trace, name, (sample, chosen), network, units)
    with axes_for(ax, HEIGHT) as axes:
        color = FLOAT_COLOR if units == "real" else INTEGER_COLOR
        if threshold is None:
            axes.plot(steps, line, color=color, label=variable)
            fired = spikes > 0
            tops = np.full(int(fired.sum()), line.max())
            if tops.size:
                axes.scatter(steps[fired], tops, color=BOTH_COLOR, marker="^", s=16, label="spike")
        else:
            level = np.broadcast_to(threshold, (trace.outputs.shape[0],))[:end]
            membrane_on(axes, steps, (line, level, spikes), color, "-", 18, "")
        axes.set_ylabel(f"{shortened(name)}: {variable}")
        along_time(axes, trace, sample)
        axes.set_title(f"{axes.get_title(loc='left')}, neuron {chosen}", loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return axes


def _population(trace: Trace, population: str | None, variable: str, sample: int) -> str:
    """The population that was asked for, or of those with the variable the one that spikes most."""
    known = [name for name, own in trace.recorded() if own == variable]
    if not known:
        recorded = sorted({own for _, own in trace.recorded()})
        raise UnknownNameError("recorded variable", str(variable), recorded)
    if population is None:
        return max(known, key=lambda name: _spikes(trace, name, sample).sum())
    if population not in known:
        raise UnknownNameError(f"population with recorded {variable}", str(population), known)
    return population


def _spikes(trace: Trace, name: str, sample: int) -> FloatArray:
    """Spikes of each neuron, (N,); -1 where none were recorded."""
    if name not in trace.spikes:
        return np.full(1, -1.0)
    return np.asarray(trace.spikes[name][:, sample].sum(axis=0, dtype=np.float64))


def _neuron(trace: Trace, name: str, neuron: int | None, sample: int, size: int) -> int:
    if neuron is None:
        return int(np.argmax(_spikes(trace, name, sample)))
    if not is_integer(neuron) or not 0 <= neuron < size:
        raise InvalidValueError(f"neuron of {name}", shown(neuron), f"0 to {size - 1}")
    return int(neuron)


def _threshold(
    trace: Trace,
    name: str,
    place: tuple[int, int],
    network: Network | FixedNetwork | None,
    units: Units,
) -> FloatArray | None:
    """Threshold (T,) of a sample and a neuron, or a constant one; None if nobody knows."""
    states = trace.states.get(name, {})
    if THRESHOLD in states:
        own = in_units((name, THRESHOLD), states[THRESHOLD], trace.notes, units)
        return np.asarray(own[:, place[0], place[1]])
    if network is None:
        return None
    require_type("network", network, Network, FixedNetwork)
    population = network.population(name)
    if not isinstance(population, (Neurons, FixedNeurons)) or SPIKES not in population.recordable:
        return None
    if THRESHOLD in population.recordable or units != "real":
        limit = "the constant of a neuron, in real units"
        remedy = "record all when simulating, or leave the network out"
        raise InvalidValueError(f"threshold of {name}", "not recorded", limit, remedy)
    return np.asarray(constant_threshold(population, place[1]))
