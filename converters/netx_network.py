"""Between the layers of a netx file and a chain of integer CUBA populations, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.netx_images import as_image, as_row
from ltc2hw.converters.netx_layers import (
    BIAS_EXPONENT,
    DECAY_BITS,
    HIGHEST_WEIGHT,
    LONGEST_DELAY,
    LOWEST_WEIGHT,
    AnyLayer,
    ConvLayer,
    Layer,
    lava_clips,
    out_of_range,
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
from ltc2hw.converters.populations import LIFWords, is_model, lif_words
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.errors import DamagedFileError, ShapeError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import IntArray, Word, shift_toward_zero
from ltc2hw.quantization.rules import check_fixed
from ltc2hw.registry import find_target

ROW_DIMENSIONS = 2
"""Channels and length."""

STATE = Word(24)
"""Register of Lava's LIF."""


def network_of(
    layers: Sequence[AnyLayer], record: NetxRecord, provenance: Mapping[str, str], path: object
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
    if not set(record.shapes) <= known:
        raise DamagedFileError(path, "its record has shapes of nothing")
    populations: dict[str, FixedPopulation] = {
        note.name: _population(note, by_name[note.name], record.shapes.get(note.name, ()))
        for note in record.layers
    }
    given = record.input
    word = Word(given.bits, given.signed)
    populations[given.name] = FixedInput(
        given.name, layers[0].inputs, given.graded, word, given.fraction,
        record.shapes.get(given.name, ()),
    )  # fmt: skip
    network = FixedNetwork(
        tuple(populations[name] for name in record.order),
        tuple(
            _projection(
                link,
                by_name[link.target],
                record.places.get(number),
                graded=given.graded and link.source == given.name,
                row=len(record.shapes.get(link.target, ())) == ROW_DIMENSIONS,
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
        _require_known(population, conversion)
    receiving = {projection.target for projection in network.projections}
    for population in network.populations:
        if isinstance(population, FixedNeurons) and population.name not in receiving:
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


def _require_known(population: FixedPopulation, conversion: Conversion) -> None:
    """Refuse what is neither an input nor neurons with the words of Lava's LIF."""
    node = f"population {population.name!r}"
    if isinstance(population, FixedInput):
        conversion.meet("graded-input" if population.graded else "spiking-input", node)
    elif is_model(population, lif):
        conversion.meet("lif", node)
        if lif_words(population) is None:
            conversion.meet("other-words", node)
    elif is_model(population, ltc, readout):
        conversion.meet("ltc" if is_model(population, ltc) else "readout", node)
    else:
        conversion.meet("other-model", f"{node} ({population.model.name})")


def hops_of(network: FixedNetwork, names: Sequence[str]) -> dict[str, int]:
    """Steps into each population of a chain beyond the delays of its synapses.

    lava-dl delays every hop by one step; a hop without delay is answered that much later.
    """
    hops = {name: int(index > 0) for index, name in enumerate(names)}
    for projection in network.projections:
        if projection.source != projection.target:
            hops[projection.target] = min(hops[projection.target], projection.delay)
    return hops


def layers_of(
    network: FixedNetwork, names: Sequence[str], conversion: Conversion
) -> tuple[tuple[AnyLayer, ...], NetxRecord]:
    """Turn a chain of LIF populations into layers and the record of everything else.

    Its convolutions are those that netx holds.

    Raises:
        UnsupportedError: naming what the layers cannot hold.
    """
    hops = hops_of(network, names)
    layers: list[AnyLayer] = []
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
        _, words = _lava_lif(network, name)
        notes.append(LayerRecord(name, words.fraction, words.bias_exponent))
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
        {p.name: p.shape for p in network.populations if len(p.shape) > 1},
    )
    return tuple(layers), record


def too_fine(network: FixedNetwork) -> str:
    """Name of a population or projection that netx's words do not hold, or nothing."""
    for projection in network.projections:
        if out_of_range(_port_values(projection)):
            return connection_name(projection)
    for population in network.populations:
        if isinstance(population, FixedInput):
            continue
        if np.any(_bias(*_lava_lif(network, population.name)) % (1 << BIAS_EXPONENT)):
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
        weights = _port_values(projection)
        while not _in_range(weights >> shifts[projection.target]):
            shifts[projection.target] += 1
    return replace(
        network,
        populations=tuple(
            _coarser_population(*_lava_lif(network, p.name), shifts[p.name])
            if isinstance(p, FixedNeurons)
            else p
            for p in network.populations
        ),
        projections=tuple(_coarser_projection(p, shifts[p.target]) for p in network.projections),
    )


def _population(note: LayerRecord, layer: AnyLayer, shape: Shape) -> FixedNeurons:
    words = LIFWords(STATE, note.fraction, DECAY_BITS, ALIGNMENT, note.bias_exponent)
    constants = {
        "current_decay": layer.current_decay,
        "membrane_decay": layer.membrane_decay,
        "threshold": layer.threshold,
        "bias": (layer.bias << BIAS_EXPONENT) >> note.bias_exponent,
    }
    return replace(words.neurons(note.name, layer.size, constants), shape=shape)


def _projection(
    link: LinkRecord, layer: AnyLayer, places: Places | None, *, graded: bool, row: bool
) -> FixedProjection:
    return FixedProjection(
        source=link.source,
        variable="value" if graded else "spikes",
        target=link.target,
        port="current",
        weights=_weights(link, layer, places, row=row),
        bits=link.bits,
        exponent=link.exponent,
        weight_fraction=link.weight_fraction,
        delay=link.delay,
    )


def _weights(link: LinkRecord, layer: AnyLayer, places: Places | None, *, row: bool) -> Weights:
    """Mantissas of a link, in the form that they had."""
    if isinstance(layer, ConvLayer):
        conv = layer.conv.with_values(layer.conv.values >> link.exponent)
        return as_row(conv) if row else conv
    matrix = np.where(layer.delay == link.layer_delay, layer.weights, 0)
    if link.source == link.target and layer.recurrent is not None:
        matrix = layer.recurrent
    mantissas = matrix >> link.exponent
    return _sparse(mantissas, places) if link.sparse else Dense(mantissas)


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


def _layer(network: FixedNetwork, name: str, hop: int, conversion: Conversion) -> AnyLayer:
    """The integers of one population and of what reaches it."""
    population, words = _lava_lif(network, name)
    node = f"population {name!r}"
    if (words.state, words.decay_fraction, words.alignment) != (STATE, DECAY_BITS, ALIGNMENT):
        conversion.meet("other-words", node)
    bias = _bias(population, words)
    if np.any(bias):
        conversion.meet("membrane-bias", node)
    decays = [population.constants[c] for c in ("current_decay", "membrane_decay", "threshold")]
    forward = [p for p in network.projections if p.target == name and not _recurrent(p)]
    kernel = forward[0].weights
    if isinstance(kernel, Conv):
        conv = as_image(kernel.with_values(_port_values(forward[0])))
        return ConvLayer(conv, bias >> BIAS_EXPONENT, *decays)
    weights, delay = _forward(forward, hop, conversion)
    own = [p for p in network.projections if p.target == name and _recurrent(p)]
    recurrent = _own_weights(own, conversion, alone=not np.any(delay))
    if np.any(delay):
        conversion.meet("delay", node)
        if np.any(bias):
            conversion.meet("delay-with-bias", node)
    _require_weights(node, conversion, weights, recurrent)
    return Layer(weights, recurrent, delay, bias >> BIAS_EXPONENT, *decays)


def _own_weights(
    projections: Sequence[FixedProjection], conversion: Conversion, *, alone: bool
) -> IntArray | None:
    """Recurrent weights; ``alone`` where no other synapse has a delay."""
    weights = None
    for projection in projections:
        conversion.meet("recurrence", connection_name(projection))
        if projection.delay != 1 or not alone:
            conversion.meet("delay-recurrent", connection_name(projection))
        weights = _port_weights(projection)
    return weights


def _require_weights(
    node: str, conversion: Conversion, weights: IntArray, recurrent: IntArray | None
) -> None:
    """Refuse matrices that Lava clips, or that netx's loader fails on."""
    matrices = [matrix for matrix in (weights, recurrent) if matrix is not None]
    if any(lava_clips(matrix) for matrix in matrices):
        conversion.meet("inhibitory-limit", node)
    if not any(np.any(matrix) for matrix in matrices):
        conversion.meet("zero-weights", node)


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


def _port_values(projection: FixedProjection) -> IntArray:
    """Stored weights as they arrive at the port."""
    values: IntArray = projection.weights.values << projection.exponent
    return values


def _port_weights(projection: FixedProjection) -> IntArray:
    """All weights as they arrive at the port: what netx stores of a matrix."""
    weights: IntArray = projection.weights.to_array() << projection.exponent
    return weights


def _lava_lif(network: FixedNetwork, name: str) -> tuple[FixedNeurons, LIFWords]:
    """A population of a chain, with the words that :func:`chain_of` found."""
    population = network.population(name)
    assert isinstance(population, FixedNeurons)
    words = lif_words(population)
    assert words is not None
    return population, words


def _bias(population: FixedNeurons, words: LIFWords) -> IntArray:
    bias: IntArray = population.constants["bias"] << words.bias_exponent
    return bias


def _in_range(weights: IntArray) -> bool:
    low, high = weights.min(initial=0), weights.max(initial=0)
    return bool(low >= LOWEST_WEIGHT and high <= HIGHEST_WEIGHT)


def _recurrent(projection: FixedProjection) -> bool:
    return projection.source == projection.target


def _coarser_population(population: FixedNeurons, words: LIFWords, shift: int) -> FixedNeurons:
    bias = _bias(population, words)
    if shift == 0 and not np.any(bias % (1 << BIAS_EXPONENT)):
        return population
    coarser = replace(words, fraction=words.fraction - shift, bias_exponent=BIAS_EXPONENT)
    constants = {
        **population.constants,
        "threshold": shift_toward_zero(population.constants["threshold"], shift),
        "bias": shift_toward_zero(bias, shift + BIAS_EXPONENT),
    }
    coarse = coarser.neurons(population.name, population.size, constants)
    return replace(coarse, shape=population.shape)


def _coarser_projection(projection: FixedProjection, shift: int) -> FixedProjection:
    weights = _port_values(projection)
    if shift == 0 and not out_of_range(weights):
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
