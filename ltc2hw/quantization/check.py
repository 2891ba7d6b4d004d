"""Whether a chip can hold a network, part by part, found by the steps that ``quantize`` takes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import HardwareRuleError, InvalidValueError, Violation
from ltc2hw.graph.fixed import FixedInput, FixedNetwork
from ltc2hw.graph.network import FloatPopulation, Network
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name, neuron_of
from ltc2hw.graph.target import Target
from ltc2hw.numbers.nonlinearity import GateFunction
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.account import tensor_changes
from ltc2hw.quantization.calibration import Ranges, measure
from ltc2hw.quantization.mixing import float_tensors, real_tensors, tensor_of, worked_out
from ltc2hw.quantization.option_checks import check_options
from ltc2hw.quantization.quantize import Conversion, Samples, convert
from ltc2hw.quantization.report import TensorChange
from ltc2hw.quantization.rules import check_network, fixed_violations, utilization
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.registry import find_target

Answer = Literal["exact", "approximate", "unsupported", "needs calibration", "not judged"]
Kind = Literal["population", "projection", "network"]

CONVERTIBLE: tuple[Answer, ...] = ("exact", "approximate")
"""Answers of parts that become integers."""

NUMBERS = "numbers"
"""Rule of numbers that no words hold together; :func:`quantize` raises it without a name."""

STOPS = "judged when no other rule is broken"
WAITS = "judged when the others are calibrated"


@dataclass(frozen=True)
class Verdict:
    """What becomes of one population or projection, or of the network as a whole.

    - ``exact``: every weight and constant lies on the chip's grid; states are rounded at each step
      as ``docs/numerics.md`` says, of that it tells nothing
    - ``approximate``: some are rounded; ``error`` is the largest ``Σ|got - asked| / Σ|asked|``
      over one neuron's values of one tensor
    - ``unsupported``: ``rules`` are broken, :func:`ltc2hw.quantize` refuses
    - ``needs calibration``: its scale follows from samples, and none were given
    - ``not judged``: something else has to be settled first
    """

    kind: Kind
    name: str
    answer: Answer
    detail: str = ""
    error: float | None = None
    rules: tuple[Violation, ...] = ()


@dataclass(frozen=True)
class Verdicts:
    """A verdict for every population and projection, in the network's order.

    The last one is of the network as a whole, where a rule on all of it is broken.
    ``utilization``: used and available resources, where integers could be made.
    """

    target: str
    parts: tuple[Verdict, ...]
    utilization: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def convertible(self) -> bool:
        """Whether :func:`ltc2hw.quantize` makes integers of it, given the same."""
        return all(part.answer in CONVERTIBLE for part in self.parts)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Every broken rule, once."""
        return tuple(dict.fromkeys(rule for part in self.parts for rule in part.rules))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON types."""
        return {
            "target": self.target,
            "convertible": self.convertible,
            "parts": [
                {**asdict(part), "rules": list(map(asdict, part.rules))} for part in self.parts
            ],
            "utilization": {name: list(pair) for name, pair in self.utilization.items()},
        }


def check(
    network: Network | FixedNetwork,
    target: str | Target = "loihi2",
    calibration: npt.ArrayLike | None = None,
    options: QuantizeOptions | None = None,
    lengths: object = None,
) -> Verdicts:
    """Say of every population and projection whether a chip holds it exactly, nearly or not.

    Arguments are those of :func:`ltc2hw.quantize`, whose own steps answer: a part is unsupported
    where it raises, and nowhere else. Of an integer network only the rules are asked.

    Raises:
        InvalidValueError, ShapeError: for calibration samples that do not fit the network.
        UnknownNameError: for an unknown target, gate function, projection or limit.

    >>> from ltc2hw.graph.network import Input, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> link = Projection("input", "spikes", "out", "current", Dense([[0.5, 1.0]]), delay=99)
    >>> net = Network((Input("input", 2), Neurons("out", 1, "readout")), (link,), "out")
    >>> [(part.name, part.answer) for part in check(net).parts if part.rules]
    [('input.spikes->out.current after 99', 'unsupported')]
    """
    require_type("network", network, Network, FixedNetwork)
    chip = find_target(target)
    if isinstance(network, FixedNetwork):
        broken = tuple(fixed_violations(network, chip))
        verdicts = _refused(network, broken, "exact")
        return Verdicts(chip.name, verdicts, utilization(network, chip))
    chosen = options or QuantizeOptions()
    broken = (*_options_broken(chosen, network, chip), *_network_broken(network, chip))
    if broken:
        return Verdicts(chip.name, _refused(network, broken, "not judged", STOPS))
    try:
        real = worked_out(network)
    except InvalidValueError as error:
        return Verdicts(chip.name, _refused(network, (_numbers(error),), "not judged", STOPS))
    if calibration is None and (asked := _asked(real, chip, chosen)):
        return Verdicts(chip.name, tuple(_waiting(network, asked)))
    ranges = measure(real, calibration, lengths)
    try:
        made = convert(real, chip, ranges, chosen, Samples(calibration, lengths))
    except InvalidValueError as error:
        return Verdicts(chip.name, _refused(network, (_numbers(error),), "not judged", STOPS))
    refused = by_part(network, made.refused(chip, chosen))
    parts = tuple(
        verdict
        if not (rules := refused.get((verdict.kind, verdict.name), ()))
        else Verdict(verdict.kind, verdict.name, "unsupported", _first(rules), verdict.error, rules)
        for verdict in (*_rounded(real, made), *_whole(refused))
    )
    return Verdicts(chip.name, parts, utilization(made.fixed, chip))


def _options_broken(
    options: QuantizeOptions, network: Network, chip: Target
) -> tuple[Violation, ...]:
    try:
        check_options(options, network, chip)
    except HardwareRuleError as error:
        return error.violations
    return ()


def _network_broken(network: Network, chip: Target) -> tuple[Violation, ...]:
    try:
        check_network(network, chip)
    except HardwareRuleError as error:
        return error.violations
    return ()


def _numbers(error: InvalidValueError) -> Violation:
    """What ``quantize`` says of numbers that cannot be held, in the words of a rule."""
    return Violation(NUMBERS, error.name, str(error.value), error.limit, error.remedy)


Part = tuple[Kind, str]


def parts_of(network: Network | FixedNetwork) -> Iterator[Part]:
    """Kind and name of every population and projection, in order; projections with their delay."""
    for population in network.populations:
        yield "population", population.name
    for projection in network.projections:
        yield "projection", tensor_of(projection).owner


WHOLE: Part = ("network", "network")


def by_part(
    network: Network | FixedNetwork, violations: Iterable[Violation]
) -> dict[Part, tuple[Violation, ...]]:
    """Violations by the parts that they name; those that name none are of the whole network."""
    found: dict[Part, tuple[Violation, ...]] = {}
    for violation in violations:
        for part in owners(network, violation.who):
            found[part] = (*found.get(part, ()), violation)
    return found


def owners(network: Network | FixedNetwork, who: str) -> tuple[Part, ...]:
    """The parts that a violation's ``who`` names: projections, or the population it starts with."""
    named: tuple[Part, ...] = tuple(
        ("projection", tensor_of(projection).owner)
        for projection in network.projections
        if re.search(rf"(?:^|\s){re.escape(connection_name(projection))}(?:\s|$)", who)
    )
    if named:
        return named
    names = {population.name for population in network.populations}
    # A rule's text starts with its population; other errors say before what it is about.
    found = next((word for word in re.findall(r"\w+", who) if word in names), None)
    return (WHOLE,) if found is None else (("population", found),)


def _refused(
    network: Network | FixedNetwork, broken: tuple[Violation, ...], other: Answer, why: str = ""
) -> tuple[Verdict, ...]:
    """Parts with broken rules are unsupported, of all others is said the same."""
    found = by_part(network, broken)
    verdicts = [
        Verdict(*part, "unsupported", _first(found[part]), rules=found[part])
        if part in found
        else Verdict(*part, other, why, 0.0 if other == "exact" else None)
        for part in parts_of(network)
    ]
    return (*verdicts, *_whole(found))


def _whole(found: Mapping[Part, tuple[Violation, ...]]) -> Iterator[Verdict]:
    """The verdict on the network as a whole, where a rule on it is broken."""
    if WHOLE in found:
        yield Verdict(*WHOLE, "unsupported", _first(found[WHOLE]), rules=found[WHOLE])


def _first(rules: tuple[Violation, ...]) -> str:
    return "; ".join(map(str, rules))


@dataclass(frozen=True)
class _Asking(Ranges):
    """Ranges that nobody measured: remember what is asked for, and answer 1."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    asked: dict[str, list[str]] = field(default_factory=dict)

    def each(self, population: str, variable: str) -> FloatArray:
        """Ones, and a note of what was asked for."""
        noted = self.asked.setdefault(population, [])
        if variable not in noted:
            noted.append(variable)
        return np.ones(self.sizes[population])

    def peak(self, population: str, variable: str) -> float:
        """One, and the same note."""
        return float(self.each(population, variable).max())


def _asked(network: Network, chip: Target, options: QuantizeOptions) -> dict[str, list[str]]:
    """Variables by population whose ranges ``quantize`` would ask samples for."""
    sizes = {population.name: population.size for population in network.populations}
    recovered = {name: np.ones(size) for name, size in sizes.items()}
    ranges = _Asking(None, input_negative=False, recovered=recovered, sizes=sizes)
    # Numbers that fit no word are told of by the conversion itself, with true ranges.
    with suppress(InvalidValueError):
        convert(network, chip, ranges, options)
    return ranges.asked


def _waiting(network: Network, asked: Mapping[str, list[str]]) -> Iterator[Verdict]:
    for kind, name in parts_of(network):
        if kind == "population" and name in asked:
            detail = f"the range of {', '.join(asked[name])}"
            yield Verdict(kind, name, "needs calibration", detail)
        else:
            yield Verdict(kind, name, "not judged", WAITS)


def _rounded(network: Network, made: Conversion) -> Iterator[Verdict]:
    """What rounding made of each part's own numbers."""
    asked, got = float_tensors(network), real_tensors(made.fixed)
    changes: dict[str, list[TensorChange]] = defaultdict(list)
    rows = zip(asked, tensor_changes(network, made.fixed, made.clipped), strict=True)
    for tensor, row in rows:
        if not np.array_equal(asked[tensor], got[tensor]):
            changes[tensor.owner].append(row)
    for kind, name in parts_of(network):
        own = changes[name]
        at = network.population(name if kind == "population" else target_of(network, name))
        notes = _notes(made.fixed, name) if kind == "population" else []
        detail = "; ".join((*_change(own, at), *notes))
        coarse = _sample_error(made.fixed, name) if kind == "population" else 0.0
        error = max((*(row.worst_error for row in own), coarse))
        yield Verdict(kind, name, "approximate" if own or coarse else "exact", detail, error)


def target_of(network: Network, owner: str) -> str:
    """Where the projection of that name lands."""
    return next(p.target for p in network.projections if tensor_of(p).owner == owner)


def _change(rows: Sequence[TensorChange], population: FloatPopulation) -> Iterator[str]:
    """What became of a part's tensors that changed, in words."""
    if not rows:
        return
    worst = max(rows, key=lambda row: row.worst_error)
    of_several = f", the worst of {len(rows)}" if len(rows) > 1 else ""
    field_name = worst.name.rpartition(" ")[2]
    neuron = neuron_of(population, worst.worst)
    yield f"{field_name} of {neuron} {100 * worst.worst_error:.3g} % off{of_several}"
    counts = (sum(row.zeroed for row in rows), sum(row.clipped for row in rows))
    for count, what in zip(counts, ("became 0", "saturated"), strict=True):
        if count:
            yield f"{count} of {sum(row.size for row in rows)} values {what}"


def _notes(fixed: FixedNetwork, name: str) -> list[str]:
    """What is no number of the network, and yet rounded: samples, functions of gates."""
    population = fixed.population(name)
    if isinstance(population, FixedInput):
        if not population.graded:
            return []
        step = float(np.ldexp(1.0, -population.fraction))
        return [f"samples become {population.word.bits}-bit integers, in steps of {step:g}"]
    functions = dict.fromkeys(form.function for form in population.formats.gates.values())
    return [f"gates are {FUNCTIONS[function]}" for function in functions]


FUNCTIONS: Mapping[GateFunction, str] = {
    "plan": "straight pieces (plan)",
    "table": "tables",
    "interpolated": "interpolated tables",
}
"""What stands for a gate's function, in words."""


def _sample_error(fixed: FixedNetwork, name: str) -> float:
    """Largest relative error of a sample as large as the input's word holds; 0 for spikes."""
    population = fixed.population(name)
    if isinstance(population, FixedNeurons) or not population.graded:
        return 0.0
    return 0.5 / max(population.word.maximum, 1)
