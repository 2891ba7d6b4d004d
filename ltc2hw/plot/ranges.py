"""What states reach against what their words hold."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from ltc2hw.comparison.drawing import INTEGER_COLOR, WORD_COLOR
from ltc2hw.comparison.figures import ranges_on
from ltc2hw.comparison.tally import StateTally
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.sequences import own_steps
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.scalars import require_type
from ltc2hw.plot.axes import axes_for, chosen_sample


def ranges(network: FixedNetwork, trace: Trace, ax: Axes | None = None) -> Axes:
    """Draw the integers of every recorded state, on a scale of bits, inside those of its word.

    Raises:
        InvalidValueError: for a float network or trace, or a trace without states.
        UnknownNameError: for a trace of another network.

    >>> import numpy as np, ltc2hw
    >>> from ltc2hw.graph.network import Input, Network, Projection
    >>> from ltc2hw.numbers.weights import Dense
    >>> link = Projection("input", "spikes", "out", "current", Dense([[0.5, 1.0]]))
    >>> net = Network((Input("input", 2), ltc2hw.Neurons("out", 1, "readout")), (link,), "out")
    >>> fixed = ltc2hw.quantize(net)
    >>> axes = ranges(fixed, ltc2hw.simulate(fixed, np.ones((9, 1, 2)), engine="integer"))
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['out.membrane']
    """
    require_type("network", network, FixedNetwork)
    chosen_sample(trace, 0)
    tally = StateTally(network)
    for (name, variable), values in trace.recorded().items():
        if values.dtype.kind == "f":
            raise InvalidValueError(f"{name}.{variable}", "real", "integers of the network")
        network.population(name)
    tally.add(trace, own_steps(trace.notes.lengths, *trace.outputs.shape[:2]))
    found = tally.ranges()
    if not found:
        raise InvalidValueError(
            "states of the trace", "not recorded", "at least one", "simulate again and record all"
        )
    with axes_for(ax, 0.27 * len(found) + 1.0) as axes:
        ranges_on(axes, found)
        key = [Patch(color=WORD_COLOR, label="word"), Patch(color=INTEGER_COLOR, label="occurred")]
        axes.legend(handles=key, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    return axes
