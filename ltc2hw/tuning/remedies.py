"""Remedies as data: what helps which kind of part, what it costs, and what exactly it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.graph.fixed import FixedInput, FixedNetwork, message_format
from ltc2hw.graph.network import Network
from ltc2hw.graph.structure import connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.words import FloatArray, Word
from ltc2hw.quantization.mixing import Kind, Part, tensor_of
from ltc2hw.quantization.remedies.biases import corrected_biases
from ltc2hw.quantization.remedies.equalise import equalisable, equalise
from ltc2hw.quantization.remedies.ranges import recalibrated as clipped_ranges
from ltc2hw.quantization.remedies.reconstruction import on_grid, reconstructed
from ltc2hw.quantization.remedies.scales import scaled_by_arrivals
from ltc2hw.quantization.remedies.thresholds import balanced_thresholds
from ltc2hw.quantization.rules import stored_weights
from ltc2hw.quantization.scaling import weight_fraction
from ltc2hw.quantization.widths import scale_names
from ltc2hw.tuning.candidate import Candidate
from ltc2hw.tuning.situation import Situation, word_name

FREE, BYTES, TRAINING = "nothing", "bytes", "training"
"""What a remedy may cost: nothing that a chip has, memory, or time of training."""

FARTHEST_SCALES = range(-4, 9)
"""Moves of a fraction that are weighed: coarser by four bits to finer by eight."""

STEPS = (1, 2)
"""Bits by which words are made wider, one try after the other."""


@dataclass(frozen=True, eq=False)
class Change:
    """One thing to do to a candidate: ``apply`` makes another of it.

    ``what`` says it in words; ``added`` are the bytes that a chip stores more; ``share``: the part
    of a loss that it may be expected to win back; ``by_hand``: options of quantization alone do it.
    """

    remedy: str
    what: str
    apply: Callable[[Candidate], Candidate]
    added: int = 0
    share: float = 0.5
    by_hand: bool = True

    @property
    def is_free(self) -> bool:
        """Whether the chip has to store nothing more."""
        return self.added == 0


@dataclass(frozen=True)
class Remedy:
    """What can be done about a loss.

    ``helps``: kinds of part; ``cost``: one of :data:`FREE`, :data:`BYTES` and :data:`TRAINING`;
    ``whole``: one change for all parts of these kinds together; ``why``: a sentence; ``offers``:
    changes for a part, most promising first.
    """

    helps: frozenset[Kind]
    cost: str
    whole: bool
    why: str
    offers: Callable[[Situation, Part], Iterator[Change]]


def offered(situation: Situation, part: Part) -> Iterator[Change]:
    """Every change that may help a part, by remedy, in the order of the registry."""
    for remedy in REMEDIES.values():
        if part.kind in remedy.helps:
            yield from remedy.offers(situation, part)


def reconstruct(situation: Situation, part: Part) -> Iterator[Change]:
    """Weights, factors and biases of one population after the other, by what integers send."""
    if not on_their_grid(situation):
        what = "weights reconstructed, one population after the other"
        share = RECONSTRUCTION_SHARE if part.kind is Kind.WEIGHTS else MADE_UP_SHARE
        yield Change(RECONSTRUCT, what, _reconstructor(situation), share=share, by_hand=False)


def _reconstructor(situation: Situation) -> Callable[[Candidate], Candidate]:
    chip, decision = situation.chip, situation.decision

    def apply(candidate: Candidate) -> Candidate:
        x, lengths = candidate.calibration.chosen
        network, options = candidate.network, candidate.options
        made = reconstructed(network, chip, x, options, lengths, decision)
        whole = candidate.asking(on_grid(options, network)).changed(RECONSTRUCT, made)
        return replace(whole, origin=candidate)

    return apply


RECONSTRUCT = "reconstruct"
"""The remedy after which weights are numbers that their words hold exactly."""

RECONSTRUCTION_SHARE = 0.8
"""Part of the error of few bits that reconstruction took away from networks of digits."""


MADE_UP_SHARE = 0.5
"""Part of the error of gates and constants that weights made up for."""


def on_their_grid(situation: Situation) -> bool:
    """Whether weights are what their words hold, so that no other rounding says more of them."""
    return RECONSTRUCT in situation.done


def scales(situation: Situation, part: Part) -> Iterator[Change]:
    """Fractions that round what the part rounds with less error, best first."""
    if part.kind is Kind.WEIGHTS and on_their_grid(situation):
        return
    name = word_name(part, situation)
    if name is None or name not in scale_names(situation.network):
        return
    for by, share in better_scales(situation, part).items():
        finer = "finer" if by > 0 else "coarser"
        what = f"{name} {finer} by {abs(by)} bit{'s' * (abs(by) > 1)}"
        yield Change("scale", what, _mover(situation, name, by), share=share)


def better_scales(situation: Situation, part: Part) -> dict[int, float]:
    """Moves of a part's fraction, those first that round most neurons' numbers best.

    Beside each, the part of the rounding error that it takes away, below 0 where it adds.

    The error of each neuron is relative to its own numbers, so that an outlier at one of them does
    not decide for all. Without samples nothing is said of inputs and messages.
    """
    rounded = _rounded(situation, part)
    if rounded is None:
        return {}
    values, word, fraction = rounded
    errors = {by: relative_error(values, word, fraction + by) for by in FARTHEST_SCALES}
    others = sorted((by for by in errors if by), key=lambda by: (errors[by], abs(by)))
    near = [by for by in others if errors[by] < NEAR * errors[0]][:MOST_SCALES]
    return {by: 1.0 - float(np.sqrt(errors[by] / errors[0])) for by in near}


NEAR = 1.5
"""Multiple of the error that another scale may have and still be tried: errors of numbers say
little of answers."""

MOST_SCALES = 2
"""Scales tried for a part."""


def relative_error(values: FloatArray, word: Word, fraction: int) -> float:
    """Mean over rows of the squared rounding error of each, relative to its squares; (R, N).

    >>> rows = np.array([[0.3, 0.2], [0.1, 0.4], [100.0, 0.2]])
    >>> round(relative_error(rows, Word(4), -4), 2), round(relative_error(rows, Word(4), 4), 2)
    (0.67, 0.33)
    """
    numbers, _ = word.encode(values, fraction)
    off = np.sum((values - np.ldexp(numbers.astype(np.float64), -fraction)) ** 2, axis=1)
    whole = np.sum(values**2, axis=1)
    return float(np.mean(off[whole > 0] / whole[whole > 0])) if np.any(whole > 0) else 0.0


def _rounded(situation: Situation, part: Part) -> tuple[FloatArray, Word, int] | None:
    """What a part rounds, a row for each neuron, with its word and fraction."""
    if part.kind is Kind.WEIGHTS:
        return _weights(situation.network, situation.fixed, part)
    population = situation.fixed.population(part.owner)
    if isinstance(population, FixedInput) and situation.samples is not None:
        x = situation.samples.reshape(-1, population.size).T
        return x, population.word, population.fraction
    return None


def _weights(network: Network, fixed: FixedNetwork, part: Part) -> tuple[FloatArray, Word, int]:
    """A projection's weights, a row for each target (filled up with 0), word and fraction."""
    integer = next(p for p in fixed.projections if tensor_of(p).owner == part.owner)
    weights = next(p for p in network.projections if tensor_of(p).owner == part.owner).weights
    order = np.argsort(weights.rows, kind="stable")
    ends = np.flatnonzero(np.diff(weights.rows[order])) + 1
    rows = np.split(np.asarray(weights.values[order], dtype=np.float64), ends)
    width = max(row.size for row in rows)
    padded = np.stack([np.pad(row, (0, width - row.size)) for row in rows])
    return padded, Word(integer.bits), integer.weight_fraction


def room(situation: Situation, part: Part) -> Iterator[Change]:
    """Coarser steps, with which a word holds twice as much; finer ones where it cuts."""
    name = word_name(part, situation)
    if name is None or name not in scale_names(situation.network):
        return
    by, finer = (-1, "coarser") if part.kind is Kind.SATURATION else (1, "finer")
    yield Change("room", f"{name} {finer} by 1 bit", _mover(situation, name, by))


def equalised(situation: Situation, part: Part) -> Iterator[Change]:
    """A factor of its own for each neuron, at the width that most weights have."""
    if on_their_grid(situation) or not equalisable(situation.network):
        return
    widths = [projection.bits for projection in situation.fixed.projections]
    width = max(set(widths), key=widths.count)
    for per_octave in FACTORS:
        if f"equalise {per_octave}" in situation.done:
            continue

        def apply(candidate: Candidate, per_octave: int = per_octave) -> Candidate:
            made = equalise(candidate.network, width, per_octave=per_octave)
            return candidate.changed(f"equalise {per_octave}", made)

        what = f"equalised neurons, {per_octave} factor{'s' * (per_octave > 1)} an octave"
        share = equalising(situation, part, width, per_octave)
        yield Change("equalise", what, apply, share=share, by_hand=False)


def equalising(situation: Situation, part: Part, width: int, per_octave: int) -> float:
    """Part of the rounding error of a part's weights that equalisation takes away."""
    if part.kind is not Kind.WEIGHTS:
        return EQUALISING_SHARE
    now, word, fraction = _weights(situation.network, situation.fixed, part)
    made = equalise(situation.network, width, per_octave=per_octave)
    then, _, _ = _weights(made, situation.fixed, part)
    before = relative_error(now, word, fraction)
    after = relative_error(then, word, weight_fraction(then, word))
    return 1.0 - float(np.sqrt(after / before)) if before else 0.0


EQUALISING_SHARE = 0.3
"""What is expected of it for constants."""

FACTORS = (8, 1)
"""Factors an octave that equalisation tries: powers of two, and finer ones."""


def rounded(situation: Situation, part: Part) -> Iterator[Change]:
    """Weights rounded so that what arrives at neurons changes least."""
    if situation.options.rounding == "nearest" and not on_their_grid(situation):
        what = "weights rounded by what arrives"
        yield Change("round", what, rounded_by_arrivals, share=ROUNDING_SHARE)


def rounded_by_arrivals(candidate: Candidate) -> Candidate:
    """The same with weights rounded by what arrives in calibration."""
    return candidate.asking(replace(candidate.options, rounding="arriving"))


ROUNDING_SHARE = 0.6
"""Part of the error of few bits that this rounding took away from networks of digits."""


def scaled(situation: Situation, part: Part) -> Iterator[Change]:
    """Scales of all weights by what arrives."""
    if on_their_grid(situation):
        return

    def apply(candidate: Candidate) -> Candidate:
        x, lengths = candidate.calibration.chosen
        found = scaled_by_arrivals(candidate.network, situation.chip, x, candidate.options, lengths)
        return candidate.asking(found)

    what = "scales of weights by what arrives"
    yield Change("scales", what, apply, share=MODEST, by_hand=False)


def clipped(situation: Situation, part: Part) -> Iterator[Change]:
    """Scales of the input and of messages by their mean error, which clips outliers."""

    def apply(candidate: Candidate) -> Candidate:
        x, lengths = candidate.calibration.chosen
        return candidate.asking(
            clipped_ranges(candidate.network, situation.chip, x, candidate.options, lengths)
        )

    what = "ranges of input and messages without outliers"
    yield Change("ranges", what, apply, share=MODEST, by_hand=False)


def corrected(situation: Situation, part: Part) -> Iterator[Change]:
    """Biases that make up for the mean of what rounding takes."""
    if "biases" in situation.done:
        return

    def apply(candidate: Candidate) -> Candidate:
        x, lengths = candidate.calibration.chosen
        fixed = candidate.quantized(situation.chip).fixed
        made = corrected_biases(candidate.network, fixed, x, lengths)
        return candidate.changed("biases", made)

    yield Change("biases", "corrected biases", apply, share=MODEST, by_hand=False)


def balanced(situation: Situation, part: Part) -> Iterator[Change]:
    """Thresholds at which neurons fire as often as in float."""
    if "thresholds" in situation.done:
        return

    def apply(candidate: Candidate) -> Candidate:
        x, lengths = candidate.calibration.chosen
        made = balanced_thresholds(candidate.network, situation.chip, x, candidate.options, lengths)
        return candidate.changed("thresholds", made)

    yield Change("thresholds", "balanced thresholds", apply, share=MODEST, by_hand=False)


MODEST = 0.2
"""What is expected of remedies of which nothing but a trial tells what they bring."""


def fine_states(situation: Situation, part: Part) -> Iterator[Change]:
    """All bits that the state word has left."""
    if not situation.options.fine_states:
        yield Change(
            "fine-states",
            "states with all bits of their words",
            lambda candidate: candidate.asking(replace(candidate.options, fine_states=True)),
            share=FINE_SHARE,
        )


FINE_SHARE = 0.9
"""What is expected of states that are finer by all bits that they have left."""


def recalibrated(situation: Situation, part: Part) -> Iterator[Change]:
    """All samples that there are in place of the first ones."""
    if situation.partial:

        def apply(candidate: Candidate) -> Candidate:
            return candidate.calibrated(replace(candidate.calibration, used=None))

        yield Change("recalibrate", "calibrated on all samples", apply)


def wider(situation: Situation, part: Part) -> Iterator[Change]:
    """More bits for one word, a few and then as many as the chip has."""
    name, now = word_name(part, situation), bits_now(situation, part)
    if name is None or now is None:
        return
    if not situation.may_widen(name, weights=part.kind is Kind.WEIGHTS):
        return
    most = widest(situation, part)
    for bits in dict.fromkeys((*(now + step for step in STEPS), most)):
        if now < bits <= most:
            what = f"{name} with {bits} bits"
            added = added_bytes(situation, part, bits)
            apply, share = _widener(situation, {name: bits}), 1.0 - 0.5 ** (bits - now)
            yield Change("wider", what, apply, added, share)


def all_wider(situation: Situation, part: Part) -> Iterator[Change]:
    """More bits for all weights: where each of many costs little, none alone brings much."""
    fixed, chip = situation.fixed, situation.chip
    names = {connection_name(p): p.bits for p in fixed.projections}
    if not all(situation.may_widen(name, weights=True) for name in names):
        return
    least, most = min(names.values()), chip.words.weight_maximum
    for bits in dict.fromkeys((*(least + step for step in STEPS), most)):
        if least < bits <= most:
            widths = {name: max(bits, now) for name, now in names.items()}
            added = sum(
                stored_bytes(p.weights, chip, max(bits, p.bits))
                - stored_bytes(p.weights, chip, p.bits)
                for p in fixed.projections
            )
            what, share = f"all weights with {bits} bits", 1.0 - 0.5 ** (bits - least)
            yield Change("all-wider", what, _widener(situation, widths), added, share)


def stored_bytes(weights: Weights, chip: Target, bits: int) -> int:
    """Bytes of weights of some width."""
    return (stored_weights(weights, chip.resources) * bits + 7) // 8


def bits_now(situation: Situation, part: Part) -> int | None:
    """Bits of what a part rounds; None where its width cannot be asked for."""
    if part.kind is Kind.WEIGHTS:
        return situation.projections(part)[0].bits
    population = situation.fixed.population(part.owner)
    if isinstance(population, FixedInput):
        return population.word.bits
    if part.kind is Kind.MESSAGE:
        message = message_format(population, part.name)
        return None if message is None else message.word.bits
    if part.kind is Kind.FUNCTION:
        return population.formats.gates[part.name].index_bits or None
    return None


def widest(situation: Situation, part: Part) -> int:
    """Most bits that a chip gives to what a part rounds."""
    words = situation.chip.words
    return {
        Kind.WEIGHTS: words.weight_maximum,
        Kind.INPUT: words.input,
        Kind.MESSAGE: min(words.message, WIDEST_MESSAGE),
        Kind.FUNCTION: WIDEST_TABLE,
    }[part.kind]


WIDEST_MESSAGE = 16
"""Most bits that messages are given: the rounding of wider ones is far below that of weights."""

WIDEST_TABLE = 9
"""Most index bits of tables: of 512 entries, whose steps are those of 12-bit gates."""


def added_bytes(situation: Situation, part: Part, bits: int) -> int:
    """Bytes that a chip stores more where a part has so many bits; messages are not stored."""
    now = bits_now(situation, part) or 0
    if part.kind is Kind.WEIGHTS:
        (projection,) = situation.projections(part)
        weights, chip = projection.weights, situation.chip
        return stored_bytes(weights, chip, bits) - stored_bytes(weights, chip, now)
    if part.kind is Kind.FUNCTION:
        table = situation.neurons(part).tables[part.name]
        return ((1 << bits) - (1 << now)) * np.min_scalar_type(int(table.max())).itemsize
    return 0


def _mover(situation: Situation, name: str, by: int) -> Callable[[Candidate], Candidate]:
    whole = situation.options.moved(name) + by
    return lambda candidate: candidate.moved(name, whole)


def _widener(situation: Situation, widths: Mapping[str, int]) -> Callable[[Candidate], Candidate]:
    """Wider words; weights on the grid of narrower ones are reconstructed anew."""

    def apply(candidate: Candidate) -> Candidate:
        if candidate.origin is None:
            return candidate.widened(widths)
        before = replace(candidate.origin, options=candidate.options).widened(widths)
        return _reconstructor(situation)(before)

    return apply


WORDS = frozenset((Kind.WORD, Kind.SATURATION))
RANGED = frozenset((Kind.INPUT, Kind.MESSAGE, Kind.SATURATION))

REMEDIES: Mapping[str, Remedy] = {
    "fine-states": Remedy(
        frozenset((Kind.WORD,)), FREE, True,
        "states keep all bits that their words have left, so that slow leaks are not cut away",
        fine_states,
    ),
    "recalibrate": Remedy(
        RANGED, FREE, True,
        "ranges are those of all samples, not of the first ones",
        recalibrated,
    ),
    RECONSTRUCT: Remedy(
        frozenset((Kind.WEIGHTS, Kind.CONSTANT, Kind.FUNCTION)), FREE, True,
        "weights, factors and biases make of what integers send what they made of float messages",
        reconstruct,
    ),
    "round": Remedy(
        frozenset((Kind.WEIGHTS,)), FREE, True,
        "weights of a neuron are rounded together: an error of one is taken back by others",
        rounded,
    ),
    "equalise": Remedy(
        frozenset((Kind.WEIGHTS, Kind.CONSTANT)), FREE, True,
        "each neuron has a factor of its own, so that none takes the bits of all others",
        equalised,
    ),
    "biases": Remedy(
        frozenset((Kind.WEIGHTS, Kind.CONSTANT)), FREE, True,
        "biases make up for what rounding takes from arrivals on average",
        corrected,
    ),
    "scales": Remedy(
        frozenset((Kind.WEIGHTS,)), FREE, True,
        "steps of weights by what arrives in calibration",
        scaled,
    ),
    "thresholds": Remedy(
        frozenset((Kind.WEIGHTS, Kind.CONSTANT, Kind.FUNCTION, *WORDS)), FREE, True,
        "neurons fire as often as in float",
        balanced,
    ),
    "ranges": Remedy(
        frozenset((Kind.INPUT, Kind.MESSAGE)), FREE, True,
        "outliers of samples and messages are clipped, so that the others keep their bits",
        clipped,
    ),
    "scale": Remedy(
        frozenset((Kind.WEIGHTS, Kind.INPUT)), FREE, False,
        "steps fit the numbers of most neurons; the few beyond the word are clipped",
        scales,
    ),
    "room": Remedy(
        WORDS, FREE, False,
        "a word that saturates holds twice as much, one that cuts has finer steps",
        room,
    ),
    "wider": Remedy(
        frozenset((Kind.WEIGHTS, Kind.INPUT, Kind.MESSAGE, Kind.FUNCTION)), BYTES, False,
        "more bits for the words that cost most",
        wider,
    ),
    "all-wider": Remedy(
        frozenset((Kind.WEIGHTS,)), BYTES, True,
        "more bits for all weights at once",
        all_wider,
    ),
}  # fmt: skip
"""Every remedy by name, cheapest first."""
