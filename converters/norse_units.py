"""Chains of our populations as what Norse's modules are made of, one unit for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.populations import is_model
from ltc2hw.converters.products import Matrix, written
from ltc2hw.converters.signals import CONSTANT, Signal, Source
from ltc2hw.dynamics.models.alif import alif
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.graph.network import FloatPopulation, Input
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import Port
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray

Arriving = Mapping[tuple[str, Port], Signal]


@dataclass(frozen=True)
class Unit:
    """One neuron module of a chain: a population, what comes before it, and its weights.

    ``weights`` (N, M), perhaps a convolution, ``recurrent`` (N, N) or None, ``bias`` (N,): what
    arrives, in our units.
    A static LTC population may have a synapse, the readout that holds its current, and then
    ``gain`` (N,) are the weights from there.
    """

    population: Neurons
    synapse: Neurons | None
    source: str
    weights: FloatArray | Conv
    recurrent: FloatArray | None
    bias: FloatArray
    gain: FloatArray

    @property
    def node(self) -> str:
        """What errors call it."""
        return f"population {self.population.name!r}"


def units_of(
    populations: Mapping[str, FloatPopulation], arriving: Arriving, conversion: Conversion
) -> dict[str, Unit]:
    """All units by the population before them."""
    synapses = _synapses(populations, arriving)
    units: dict[str, Unit] = {}
    for name, population in populations.items():
        node = f"population {name!r}"
        if isinstance(population, Input):
            conversion.meet("graded-input" if population.graded else "spiking-input", node)
            continue
        if not is_model(population, lif, alif, ltc, readout):
            conversion.meet("other-model", f"{node} ({population.model.name})")
        for port in population.model.gates:
            if (name, port) in arriving:
                conversion.meet("ltc" if is_model(population, ltc) else "gated-readout", node)
        if name in synapses.values():
            continue
        unit = _unit(population, populations, synapses, arriving, conversion)
        if unit.source in units:
            conversion.meet("topology", node)
        units[unit.source] = unit
    return units


def _synapses(populations: Mapping[str, FloatPopulation], arriving: Arriving) -> dict[str, str]:
    """Readouts that hold the synaptic current of an LTC population, by that population."""
    senders = [s.population for signal in arriving.values() for s in signal.terms]
    found = {}
    for (target, port), signal in arriving.items():
        source = next(iter(signal.terms))
        if (
            port == "current"
            and is_model(populations[target], ltc)
            and is_model(populations.get(source.population), readout)
            and set(signal.terms) == {Source(source.population, "membrane", 1)}
            and senders.count(source.population) == 1
            and _is_diagonal(dense(signal.terms[source]))
        ):
            found[target] = source.population
    return found


def _unit(
    population: Neurons,
    populations: Mapping[str, FloatPopulation],
    synapses: Mapping[str, str],
    arriving: Arriving,
    conversion: Conversion,
) -> Unit:
    name, node = population.name, f"population {population.name!r}"
    receiver = synapses.get(name, name)
    signal = arriving.get((receiver, "current"), Signal(population.size, {}))
    # Norse's LSNN uses the current of the step before, whatever its synapse.
    late = int(is_model(population, ltc) and receiver == name)
    weights: dict[str, FloatArray | Conv] = {}
    bias: FloatArray = np.zeros(population.size)
    for source, matrix in signal.terms.items():
        expected = 0 if source.population == CONSTANT else late + int(source.population == name)
        if source.delay != expected:
            conversion.meet("delay", f"{source.population or 'constant'} to {name}")
        if source.population == CONSTANT:
            bias = dense(matrix)[:, 0]
        else:
            weights[source.population] = matrix if isinstance(matrix, Conv) else dense(matrix)
    own = weights.pop(name, None)
    if own is not None:
        conversion.meet("recurrence", node)
    recurrent = None if own is None else dense(own)
    if len(weights) != 1:
        conversion.meet("topology", node)
    (source_name, forward), *_ = weights.items()
    synapse: Neurons | None = None
    gain: FloatArray = np.ones(population.size)
    if receiver != name:
        held = populations[receiver]
        assert isinstance(held, Neurons)
        synapse = held
        gain = np.diag(dense(next(iter(arriving[name, "current"].terms.values()))))
    return Unit(population, synapse, source_name, forward, recurrent, bias, gain)


def dense(matrix: Matrix) -> FloatArray:
    """A matrix written densely.

    Raises:
        TooLargeError: for too many numbers, before they are made.
    """
    if sparse.issparse(matrix) or isinstance(matrix, Conv):
        rows, columns = matrix.shape
        remedy = "Norse has no sparse weights, and no convolutions within a layer; export to nir"
        require_capacity("a dense matrix of sparse weights", rows * columns, remedy=remedy)
    return np.asarray(sparse.csr_matrix(written(matrix)).toarray())


def _is_diagonal(matrix: FloatArray) -> bool:
    return matrix.shape[0] == matrix.shape[1] and not np.any(matrix - np.diag(np.diag(matrix)))
