"""Between the layers of a netx file and a chain of integer CUBA populations, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.netx_layers import (
    BIAS_EXPONENT,
    DECAY_BITS,
    HIGHEST_WEIGHT,
    LONGEST_DELAY,
    LOWEST_WEIGHT,
    Layer,
    lava_clips,
)
from ltc2hw.converters.netx_record import (
    ALIGNMENT,
    WEIGHT_BITS,
    WEIGHT_EXPONENT,
    InputRecord,
    LayerRecord,
    LinkRecord,
    NetxRecord,
    Places,
)
from ltc2hw.converters.populations import FixedLIF, FixedLTC
from ltc2hw.errors import DamagedFileError, ShapeError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation, FixedProjection
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import IntArray, Word, shift_toward_zero
from ltc2hw.quantization.rules import check_fixed
from ltc2hw.registry import find_target

STATE = Word(24)
"""Register of Lava's LIF."""


def network_of(
    layers: Sequence[Layer], record: NetxRecord, provenance: Mapping[str, str], path: object
) -> FixedNetwork:
    """Join the integers of the layers with what the record says about them.

    Raises:
        DamagedFileError: if the two do not fit each other.
        HardwareRuleError: if the network breaks a limit of its target.
    """
    names = [note.name for note in record.layers]
    known = {record.input.name, *names}
    if len(names) != len(layers) or set(record.order) != known:
        raise DamagedFileError(path, "its record names other layers than it has")
    if not {link.target for link in record.links} <= set(names):
        raise DamagedFileError(path, "its record has projections to nowhere")
    by_name = dict(zip(names, layers, strict=True))
    populations: dict[str, FixedPopulation] = {
        note.name: _population(note, by_name[note.name]) for note in record.layers
    }
    given = record.input
    word = Word(given.bits, given.signed)
    populations[given.name] = FixedInput(
        given.name, layers[0].inputs, given.graded, word, given.fraction
    )
    network = FixedNetwork(
        tuple(populations[name] for name in record.order),
        tuple(
            _projection(
                link,
                by_name[link.target],
                record.places.get(number),
                graded=given.graded and link.source == given.name,
            )
            for number, link in enumerate(record.links)
        ),
        names[-1],
        record.target,
        provenance,
    )
    check_fixed(network, find_target(record.target))
    if layers_of(network, names, Conversion("netx-out"))[0] != tuple(layers):
        raise DamagedFileError(path, "its record does not describe its layers")
    return network


def chain_of(network: FixedNetwork, conversion: Conversion) -> list[str]:
    """Names of the LIF populations in the order of the chain that a netx file is.

    Raises:
        UnsupportedError: naming a population or projection that makes it something else.
    """
    for population in network.populations:
        node = f"population {population.name!r}"
        if isinstance(population, FixedInput):
            conversion.meet("graded-input" if population.graded else "spiking-input", node)
        elif isinstance(population, FixedLIF):
            conversion.meet("lif", node)
        else:
            conversion.meet("ltc" if isinstance(population, FixedLTC) else "readout", node)
    receiving = {projection.target for projection in network.projections}
    for population in network.populations:
        if isinstance(population, FixedLIF) and population.name not in receiving:
            conversion.meet("clock-neuron", f"population {population.name!r}")
    forward = [p for p in network.projections if p.source != p.target]
    sources, targets = (
        {p.target: p.source for p in forward},
        {p.source: p.target for p in forward},
    )
    for projection in forward:
        ends = (sources[projection.target], targets[projection.source])
        if ends != (projection.source, projection.target):
            conversion.meet("topology", connection_name(projection))
    names: list[str] = []
    name = network.input.name
    while name in targets and len(names) < len(network.populations):
        name = targets[name]
        names.append(name)
    if len(names) != len(network.populations) - 1 or names[-1] != network.output:
        conversion.meet("topology", f"output {network.output!r}")
    return names


def layers_of(
    network: FixedNetwork, names: Sequence[str], conversion: Conversion
) -> tuple[tuple[Layer, ...], NetxRecord]:
    """Turn a chain of LIF populations into layers and the record of everything else.

    Raises:
        UnsupportedError: naming what the layers cannot hold.
    """
    # lava-dl delays every hop by one step; a hop without delay is answered that much later.
    hops = {name: int(index > 0) for index, name in enumerate(names)}
    for projection in network.projections:
        if projection.source != projection.target:
            hops[projection.target] = min(hops[projection.target], projection.delay)
    layers: list[Layer] = []
    skewed = False
    for index, name in enumerate(names):
        layer = _layer(network, name, hops[name], conversion)
        skewed = skewed or (index > 0 and hops[name] == 0)
        if skewed and (np.any(layer.bias) or np.any(layer.threshold < 0)):
            conversion.meet("bias-behind-skew", f"population {name!r}")
        layers.append(layer)
    given = network.input
    notes = []
    for name in names:
        population = network.population(name)
        assert isinstance(population, FixedLIF)
        notes.append(LayerRecord(name, population.fraction, population.bias_exponent))
    record = NetxRecord(
        network.target,
        network.provenance,
        tuple(population.name for population in network.populations),
        InputRecord(given.name, given.graded, given.word.bits, given.word.signed, given.fraction),
        tuple(notes),
        tuple(
            _link(p, 0 if _recurrent(p) else p.delay - hops[p.target]) for p in network.projections
        ),
        {
            number: (p.weights.indptr, p.weights.indices)
            for number, p in enumerate(network.projections)
            if isinstance(p.weights, Sparse)
        },
    )
    return tuple(layers), record


def too_fine(network: FixedNetwork) -> str:
    """Name of a population or projection that netx's words do not hold, or nothing."""
    for projection in network.projections:
        if not _fits(_port_weights(projection)):
            return connection_name(projection)
    for population in network.populations:
        if isinstance(population, FixedLIF) and np.any(_bias(population) % (1 << BIAS_EXPONENT)):
            return f"population {population.name!r}"
    return ""


def rescaled(network: FixedNetwork) -> FixedNetwork:
    """Shift weights, thresholds and biases right until netx's words hold them.

    Weights become even numbers in [-256, 254], biases multiples of 64. The dynamics in real numbers
    stay, but states get coarser, so spikes may differ from those of ``network``. What a netx file
    then computes is exactly this network.
    """
    shifts = {population.name: 0 for population in network.populations}
    for projection in network.projections:
        weights = _port_weights(projection)
        while not _in_range(weights >> shifts[projection.target]):
            shifts[projection.target] += 1
    return replace(
        network,
        populations=tuple(
            _coarser_population(p, shifts[p.name]) if isinstance(p, FixedLIF) else p
            for p in network.populations
        ),
        projections=tuple(_coarser_projection(p, shifts[p.target]) for p in network.projections),
    )


def _population(note: LayerRecord, layer: Layer) -> FixedLIF:
    return FixedLIF(
        name=note.name,
        size=layer.size,
        state=STATE,
        fraction=note.fraction,
        decay_fraction=DECAY_BITS,
        alignment=ALIGNMENT,
        current_decay=layer.current_decay,
        membrane_decay=layer.membrane_decay,
        threshold=layer.threshold,
        bias_mantissa=(layer.bias << BIAS_EXPONENT) >> note.bias_exponent,
        bias_exponent=note.bias_exponent,
    )


def _projection(
    link: LinkRecord, layer: Layer, places: Places | None, *, graded: bool
) -> FixedProjection:
    matrix = np.where(layer.delay == link.layer_delay, layer.weights, 0)
    if link.source == link.target and layer.recurrent is not None:
        matrix = layer.recurrent
    mantissas = matrix >> link.exponent
    return FixedProjection(
        source=link.source,
        variable="value" if graded else "spikes",
        target=link.target,
        port="current",
        weights=_sparse(mantissas, places) if link.sparse else Dense(mantissas),
        bits=link.bits,
        exponent=link.exponent,
        weight_fraction=link.weight_fraction,
        delay=link.delay,
    )


def _sparse(mantissas: IntArray, places: Places | None) -> Sparse:
    """Sparse weights with the zeros that were stored, too, where the places are known."""
    if places is None:
        return Sparse.from_array(mantissas)
    indptr, indices = places
    sparse = Sparse(indptr, indices, np.zeros(indices.size, dtype=np.int64), mantissas.shape[1])
    if sparse.shape != mantissas.shape:
        raise ShapeError("shape of places", sparse.shape, str(mantissas.shape))
    return sparse.with_values(mantissas[sparse.coordinates])


def _link(projection: FixedProjection, layer_delay: int) -> LinkRecord:
    return LinkRecord(
        projection.source,
        projection.target,
        projection.delay,
        layer_delay,
        projection.bits,
        projection.exponent,
        projection.weight_fraction,
        isinstance(projection.weights, Sparse),
    )


def _layer(network: FixedNetwork, name: str, hop: int, conversion: Conversion) -> Layer:
    """The integers of one population and of what reaches it."""
    population = network.population(name)
    assert isinstance(population, FixedLIF)
    node = f"population {name!r}"
    words = (population.state, population.decay_fraction, population.alignment)
    if words != (STATE, DECAY_BITS, ALIGNMENT):
        conversion.meet("other-words", node)
    bias = _bias(population)
    if np.any(bias):
        conversion.meet("membrane-bias", node)
    forward = [p for p in network.projections if p.target == name and not _recurrent(p)]
    weights, delay = _forward(forward, hop, conversion)
    own = [p for p in network.projections if p.target == name and _recurrent(p)]
    recurrent = None
    for projection in own:
        conversion.meet("recurrence", connection_name(projection))
        if projection.delay != 1 or np.any(delay):
            conversion.meet("delay-recurrent", connection_name(projection))
        recurrent = _port_weights(projection)
    if np.any(delay):
        conversion.meet("delay", node)
        if np.any(bias):
            conversion.meet("delay-with-bias", node)
    for matrix in (weights, recurrent):
        if matrix is not None and lava_clips(matrix):
            conversion.meet("inhibitory-limit", node)
    if not np.any(weights) and (recurrent is None or not np.any(recurrent)):
        conversion.meet("zero-weights", node)
    return Layer(
        weights,
        recurrent,
        delay,
        bias >> BIAS_EXPONENT,
        population.current_decay,
        population.membrane_decay,
        population.threshold,
    )


def _forward(
    projections: Sequence[FixedProjection], hop: int, conversion: Conversion
) -> tuple[IntArray, IntArray]:
    """Weights and delays of all synapses from the population before."""
    weights: IntArray = np.zeros(projections[0].weights.shape, dtype=np.int64)
    delay: IntArray = np.zeros_like(weights)
    for projection in projections:
        matrix = _port_weights(projection)
        if np.any((matrix != 0) & (weights != 0)):
            conversion.meet("two-delays", connection_name(projection))
        if projection.delay - hop > LONGEST_DELAY:
            conversion.meet("delay-long", connection_name(projection))
        delay = np.where(matrix != 0, projection.delay - hop, delay)
        weights = weights + matrix
    return weights, delay


def _port_weights(projection: FixedProjection) -> IntArray:
    """Weights as they arrive at the port: what netx stores."""
    weights: IntArray = projection.weights.to_array() << projection.exponent
    return weights


def _bias(population: FixedLIF) -> IntArray:
    return population.bias_mantissa << population.bias_exponent


def _in_range(weights: IntArray) -> bool:
    return bool(weights.min() >= LOWEST_WEIGHT and weights.max() <= HIGHEST_WEIGHT)


def _fits(weights: IntArray) -> bool:
    return _in_range(weights) and not np.any(weights % 2)


def _recurrent(projection: FixedProjection) -> bool:
    return projection.source == projection.target


def _coarser_population(population: FixedLIF, shift: int) -> FixedLIF:
    bias = _bias(population)
    if shift == 0 and not np.any(bias % (1 << BIAS_EXPONENT)):
        return population
    return replace(
        population,
        fraction=population.fraction - shift,
        threshold=shift_toward_zero(population.threshold, shift),
        bias_mantissa=shift_toward_zero(bias, shift + BIAS_EXPONENT),
        bias_exponent=BIAS_EXPONENT,
    )


def _coarser_projection(projection: FixedProjection, shift: int) -> FixedProjection:
    weights = projection.weights.values << projection.exponent
    if shift == 0 and _fits(_port_weights(projection)):
        return projection
    word = Word(WEIGHT_BITS)
    mantissas, _ = word.encode(weights.astype(np.float64), -(shift + WEIGHT_EXPONENT))
    return replace(
        projection,
        weights=projection.weights.with_values(mantissas),
        bits=WEIGHT_BITS,
        exponent=WEIGHT_EXPONENT,
        weight_fraction=projection.weight_fraction + projection.exponent - shift - WEIGHT_EXPONENT,
    )
