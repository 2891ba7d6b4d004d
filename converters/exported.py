"""What exports of integer networks share: the features that they meet, and samples to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.populations import is_model
from ltc2hw.dynamics.formats import Held
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.graph.fixed import FixedInput, FixedNetwork
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray

OWN_FEATURES: Mapping[str, Model] = {"lif": lif, "ltc": ltc, "readout": readout}
"""Models whose rows in the table are their own."""

SAMPLE_STEPS = 32
"""Steps of the random sample whose integers are promised unless samples are given."""


def random_samples(network: FixedNetwork) -> FloatArray:
    """One sample over the whole range of the input, the same for every network of its size."""
    rng, given = np.random.default_rng(0), network.input
    shape = (SAMPLE_STEPS, 1, given.size)
    if not given.graded:
        return (rng.random(shape) < 0.3).astype(np.float64)
    integers = rng.integers(given.word.minimum, given.word.maximum + 1, shape)
    return np.ldexp(integers.astype(np.float64), -given.fraction)


def meet_features(network: FixedNetwork, conversion: Conversion) -> None:
    """Ask the table about every population and projection.

    Raises:
        UnsupportedError: for what the table refuses.
    """
    for population in network.populations:
        label = f"population {population.name!r}"
        if isinstance(population, FixedInput):
            conversion.meet("graded-input" if population.graded else "spiking-input", label)
            continue
        known = (name for name, model in OWN_FEATURES.items() if is_model(population, model))
        conversion.meet(next(known, "other-model"), label)
        if is_model(population, lif) and np.any(population.constants["bias"]):
            conversion.meet("membrane-bias", label)
    for projection in network.projections:
        label = connection_name(projection)
        if projection.source == projection.target:
            conversion.meet("recurrence", label)
        elif projection.delay:
            conversion.meet("delay", label)
        if isinstance(projection.weights, Conv):
            rows = len(projection.weights.stride) == 1
            conversion.meet("convolution-1d" if rows else "convolution", label)
        if sum(p.target == projection.target for p in network.projections) > 1:
            conversion.meet("topology", label)


def carrier(variable: str) -> str:
    """Name of the result that is sent of a variable, and of its word."""
    return f"message {variable}"


def with_messages(neurons: FixedNeurons, sent: Sequence[str]) -> Program:
    """The neurons' program with what is sent of some results: ``word.fit(rsz(value, shift))``.

    Spikes are sent as they are.
    """
    values, results = list(neurons.program.values), dict(neurons.program.results)
    forms = {message.variable: message for message in neurons.messages}
    for variable in sent:
        index = results[variable]
        if variable in forms:
            held = Held.within(forms[variable].word, 0)
            assert held.overflow is not None
            shift = (forms[variable].shift,)
            values.append(Value(Operation.SHIFT_TOWARD_ZERO, (index,), numbers=shift))
            last = len(values) - 1
            values.append(Value(held.overflow, (last,), carrier(variable), held.numbers))
            index = last + 1
        results[carrier(variable)] = index
    return Program("integer", tuple(values), results)
