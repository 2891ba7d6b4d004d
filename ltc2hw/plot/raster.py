"""When which neuron spikes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ltc2hw.comparison.drawing import BOTH_COLOR, FLOAT_COLOR, QUIET_COLOR, shortened
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.trace import Trace
from ltc2hw.plot.axes import along_time, axes_for, chosen_sample

LOWEST, HIGHEST, PER_NEURON = 1.6, 6.0, 0.045
"""Height in inches: at least, at most, and for each neuron."""


def raster(
    trace: Trace, population: str | None = None, sample: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw the spikes of one sample: a line for each, steps to the right, neurons upward.

    ``population``: the only one to draw; None for all that have recorded spikes, above each other.

    Raises:
        InvalidValueError: if no spikes were recorded, or for a sample that is not there.
        UnknownNameError: for a population without recorded spikes.

    >>> import numpy as np, ltc2hw
    >>> from ltc2hw.graph.network import Input, Network, Projection
    >>> from ltc2hw.numbers.weights import Dense
    >>> link = Projection("input", "spikes", "out", "current", Dense([[0.5, 1.0]]))
    >>> out = ltc2hw.Neurons("out", 1, "lif", {"current_decay": 0.5})
    >>> net = Network((Input("input", 2), out), (link,), "out")
    >>> axes = raster(ltc2hw.simulate(net, np.ones((9, 1, 2))))
    >>> axes.get_xlabel()
    'step'
    """
    sample = chosen_sample(trace, sample)
    names = _names(trace, population)
    sizes = [trace.spikes[name].shape[2] for name in names]
    starts = np.cumsum([0, *sizes])
    height = min(max(LOWEST, PER_NEURON * float(starts[-1]) + 0.9), HIGHEST)
    with axes_for(ax, height) as axes:
        colors = (FLOAT_COLOR, BOTH_COLOR)
        for index, (name, start) in enumerate(zip(names, starts, strict=False)):
            steps, neurons = np.nonzero(trace.spikes[name][:, sample])
            rows = neurons + start
            axes.vlines(
                steps, rows - 0.4, rows + 0.4, color=colors[index % 2], linewidth=1.2, zorder=2
            )
            if index:
                axes.axhline(start - 0.5, color=QUIET_COLOR, linewidth=0.8)
        axes.set_ylim(-0.5, float(starts[-1]) - 0.5)
        axes.grid(visible=False)
        if len(names) == 1:
            axes.set_ylabel(f"{shortened(names[0])}: neuron")
        else:
            middles = (starts[:-1] + starts[1:] - 1) / 2
            labels = [f"{shortened(n)}\n({size})" for n, size in zip(names, sizes, strict=True)]
            axes.set_yticks(middles, labels)
            axes.tick_params(axis="y", length=0)
        along_time(axes, trace, sample)
    return axes


def _names(trace: Trace, population: str | None) -> list[str]:
    recorded = list(trace.spikes)
    if not recorded:
        raise InvalidValueError(
            "spikes of the trace", "not recorded", "at least one population's",
            "simulate again and record spikes",
        )  # fmt: skip
    if population is None:
        return recorded
    if population not in recorded:
        raise UnknownNameError("population with recorded spikes", str(population), recorded)
    return [population]
