"""Models written oddly: each is computed rightly on every network, or refused by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, reduce
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.dynamics import constant, fires, gate, larger, model, port, register, state, where
from ltc2hw.dynamics.expression import Expression
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.roles import comparison
from ltc2hw.dynamics.text import read_formats
from ltc2hw.errors import HardwareRuleError, InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray

X: FloatArray = np.random.default_rng(1).uniform(-1, 1, (40, 3, 4))

Results = Mapping[str, Any]


def made(step: Callable[[], Results], **options: Any) -> Model:
    def odd() -> Mapping[str, Expression]:
        return step()

    return model(**options)(odd)


def charged(arriving: Expression) -> Expression:
    return register(constant("kept", 0.9) * state("u") + arriving, "u")


def leaky(arriving: Expression, threshold: Any = 1.0, **more: Any) -> Results:
    u = charged(arriving)
    return {"u": u, "spikes": fires(u, threshold), **more}


def network(drawn: Model, constants: Mapping[str, float] | None = None) -> Network:
    rng = np.random.default_rng(0)
    neurons = ltc2hw.Neurons("own", 6, drawn, constants or {})
    projections = tuple(
        Projection("input", "value", "own", name, Dense(rng.normal(0, 0.5, (6, 4))))
        for name in neurons.ports
    )
    return Network((Input("input", 4, graded=True), neurons), projections, "own")


def require_alike(drawn: Model, names: tuple[str, ...] = ("u",)) -> None:
    """Integers follow reals, within a few hundredths of what is reached."""
    net = network(drawn)
    fixed = ltc2hw.quantize(net, "loihi2", X)
    own = fixed.population("own")
    assert isinstance(own, FixedNeurons)
    real = ltc2hw.simulate(net, X, record="all").states["own"]
    integers = ltc2hw.simulate(fixed, X, engine="integer", record="all").states["own"]
    for name in names:
        got = np.ldexp(integers[name].astype(float), -own.fractions[name])
        assert np.max(np.abs(got - real[name])) < 0.03 * np.max(np.abs(real[name])), name


@pytest.mark.parametrize(
    "argument",
    [
        lambda: constant("slope", 2.0) * state("u") + 0.3,
        lambda: constant("level", 2.0),
        lambda: port("other"),
        lambda: port("current"),
    ],
    ids=["of a state", "of a constant", "of another port", "of a port that lands elsewhere, too"],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_gate_opens_by_anything(argument: Callable[[], Expression], first: bool) -> None:
    def step() -> Results:
        opened = gate(argument(), "opened")
        results = leaky(opened * port("current") + 0.1 * port("current"))
        return {"share": opened, **results} if first else {**results, "share": opened}

    require_alike(made(step), ("u", "share"))


def test_a_gate_s_port_does_not_scale_the_registers() -> None:
    """Registers far above the span of a gate, whose port comes first."""

    def step() -> Results:
        opened = gate(port("opening"), "opened")
        return {"share": opened, **leaky(port("current") * opened + 40.0)}

    require_alike(made(step), ("u", "share"))


def test_neurons_without_ports() -> None:
    require_alike(made(lambda: leaky(constant("drive", 0.3))))


def test_constants_that_are_results() -> None:
    require_alike(made(lambda: leaky(port(), level=constant("level", 0.3))), ("u", "level"))
    require_alike(
        made(lambda: leaky(port(), state("level"), level=constant("level", 0.3))), ("u", "level")
    )


def test_a_constant_named_like_a_derived_one_stays_itself() -> None:
    def step() -> Results:
        return leaky(port() * (constant("a", 2.0) * constant("b", 0.25)), constant("derived0", 3.0))

    drawn = made(step)
    assert sorted(drawn.worked_out.program.parameters) == ["derived0", "derived1", "kept"]
    fixed = ltc2hw.quantize(network(drawn), "loihi2", X).population("own")
    assert isinstance(fixed, FixedNeurons)
    threshold = fixed.constants["derived0"] / 2.0 ** fixed.formats.constants["derived0"]
    assert np.allclose(threshold, 3.0)


def twice(n: int, start: Expression) -> Expression:
    """2^n ways lead to the start."""
    return reduce(lambda value, _: value + value, range(n), start)


def test_programs_with_very_many_ways_are_judged_at_once() -> None:
    """Refused for their size, but without walking every way."""
    shared = gate(port("other"), "opened") * port()
    for start in (port("other"), shared):
        drawn = made(partial(leaky, twice(40, start) + port("third")))
        with pytest.raises((InvalidValueError, HardwareRuleError)):
            ltc2hw.quantize(network(drawn), "loihi2", X)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda: {"spikes": register(0.5 * state("spikes") + port(), "u")}, "spikes of model"),
        (lambda: {"u": charged(port()), "spikes": where(fires(port(), 0), 2, 0)}, "spikes of"),
        (lambda: leaky(port(), spikes=fires(port(), 0) - fires(-1, port())), "spikes of model"),
        (lambda: leaky(where(port(), 1, 0)), "made of comparisons"),
        (lambda: leaky(where(gate(port(), "g"), port(), 0)), "made of comparisons"),
        (lambda: leaky(where(1.0, port(), 0)), "made of comparisons"),
        (lambda: leaky(port() + constant("c", 0.3), constant("c", 2.0)), "described twice"),
        (lambda: leaky(port(), constant("c", float("nan"))), "default of constant 'c'"),
        (lambda: leaky(port(), constant("c", low=2, high=1)), "range of constant 'c'"),
        (lambda: leaky(port(), constant("c", "1")), "default of constant 'c'"),  # type: ignore
        (lambda: leaky(port(), constant(3)), "a plain name"),  # type: ignore[arg-type]
        (lambda: None, "results of a neuron's step"),
        (lambda: {"spikes": "a"}, "value of a neuron"),
        (lambda: leaky(reduce(lambda e, _: e * 0.9 + 0.1, range(200), port())), "depth"),
    ],
)
def test_what_has_no_one_meaning_is_refused(step: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        made(step)


def test_the_deepest_programs_are_lowered() -> None:
    require_alike(made(lambda: leaky(reduce(lambda e, _: larger(e, 0.1), range(90), port()))))


def test_a_factor_beyond_its_word_is_refused() -> None:
    """A part of 1e-9 times a factor of 1e9, which would saturate at 32767."""
    drawn = made(lambda: leaky(port() * constant("a", 1e-9) * constant("b", 1e9)))
    with pytest.raises(HardwareRuleError, match=r"lost-factor.*own\.b of neuron 0.*1e\+09 became"):
        ltc2hw.quantize(network(drawn), "loihi2", X)


def test_thresholds_are_those_of_the_spikes() -> None:
    def step() -> Results:
        return {"above": fires(charged(port()), 7.0), **leaky(port(), constant("threshold", 1.0))}

    drawn = made(step)
    found = comparison(drawn)
    assert found is not None
    assert drawn.program.values[found.threshold].name == "threshold"
    both = fires(port(), 0) * fires(port(), 1)
    assert comparison(made(lambda: leaky(port(), spikes=both))) is None


def test_neurons_without_registers_are_told_what_to_do() -> None:
    with pytest.raises(HardwareRuleError, match=r"no register.*put the neuron's values into"):
        ltc2hw.quantize(network(made(lambda: {"spikes": fires(port(), 0.5)})), "loihi2", X)


def fixed_neurons() -> FixedNeurons:
    found = ltc2hw.quantize(network(made(lambda: leaky(port()))), "loihi2", X).population("own")
    assert isinstance(found, FixedNeurons)
    return found


def with_program(program: Program) -> FixedNetwork:
    """A network of such neurons whose stored program is another, as in an edited file."""
    fixed = ltc2hw.quantize(network(made(lambda: leaky(port()))), "loihi2", X)
    fields = {f.name: getattr(fixed_neurons(), f.name) for f in dataclasses.fields(FixedNeurons)}
    own = FixedNeurons(**{**fields, "program": program})
    return replace(fixed, populations=(fixed.populations[0], own))


def test_a_program_whose_spikes_are_something_else_is_refused() -> None:
    program = fixed_neurons().program
    results = {**program.results, "spikes": program.results["u"]}
    with pytest.raises(InvalidValueError, match="spikes of own is -8388608 to 8388607"):
        with_program(replace(program, results=results))


def test_a_program_that_squares_again_and_again_is_refused_at_once() -> None:
    """2^(23 · 2^60) is no number to compute with."""
    program = fixed_neurons().program
    values, last = list(program.values), program.results["u"]
    for _ in range(60):
        values.append(Value(Operation.MULTIPLY, (last, last)))
        last = len(values) - 1
    results = {**program.results, "u": last}
    with pytest.raises(InvalidValueError, match=r"largest sum at own\.u"):
        with_program(Program("integer", tuple(values), results))


@pytest.mark.parametrize("place", [-1, 1.5, None])
def test_a_result_that_is_no_place_is_refused(place: Any) -> None:
    program = fixed_neurons().program
    with pytest.raises(InvalidValueError, match="result u"):
        with_program(replace(program, results={**program.results, "u": place}))


@pytest.mark.parametrize(
    "value",
    [
        Value(Operation.ADD, (0.5, 0)),  # type: ignore[arg-type]
        Value(Operation.ADD, None),  # type: ignore[arg-type]
        Value([], (0, 0)),  # type: ignore[arg-type]
        None,
    ],
)
def test_a_value_that_is_none_is_refused(value: Any) -> None:
    program = fixed_neurons().program
    with pytest.raises(InvalidValueError, match="value"):
        with_program(replace(program, values=(*program.values, value)))


@pytest.mark.parametrize(
    "text",
    [
        '{"held": {"u": [1, {}, []]}, "ports": {}, "constants": {}, "gates": {}}',
        '{"held": {}, "ports": {}, "constants": {}, "gates": {"g": [[], 1, 2]}}',
    ],
)
def test_formats_of_odd_types_are_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        read_formats(text)


@pytest.mark.parametrize("gain", [0.01, 100.0])
def test_a_word_that_scales_what_arrives_is_measured(gain: float) -> None:
    """Scaled by what can arrive alone, it saturated at a twentieth of what it had to hold."""

    @model(source="made for the tests")
    def scaled() -> Mapping[str, Expression]:
        drive = register(gain * port(), "drive")
        return {"drive": drive, "spikes": fires(drive, constant("threshold", 1.0))}

    link = Projection("input", "value", "n", "current", Dense(np.array([[0.5]])))
    network = Network((Input("input", 1, True), Neurons("n", 1, scaled)), (link,), "n")
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2, 1))
    fixed = ltc2hw.quantize(network, "loihi2", x)
    real = ltc2hw.simulate(network, x, record="all").states["n"]["drive"]
    trace = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    unit = 2.0 ** -variable_fraction(fixed.population("n"), "drive")
    assert np.max(np.abs(trace.states["n"]["drive"] * unit - real)) < 0.01 * np.max(np.abs(real))
    assert not any(trace.saturations.values())
