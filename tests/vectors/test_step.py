"""Programs run by the machine of blocks have the bits of their meaning."""

from __future__ import annotations

import numpy as np
import pytest

from ltc2hw import quantize
from ltc2hw.dynamics.adjoint import reverse
from ltc2hw.dynamics.formats import GateFormat
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.real import Reals, RealStep, Surrogate
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.nonlinearity import Nonlinearity, sigmoid_table
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.mixing import Kind, partly_fixed, parts
from ltc2hw.quantization.rounded import RoundedGate
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.vectors.kernels import KERNELS
from ltc2hw.vectors.sections import Functions, sections_of
from ltc2hw.vectors.step import VectorStep
from tests.dynamics.random_programs import random_program
from tests.dynamics.running import random_case

FUNCTIONS: dict[str, Nonlinearity] = {"tau": "sigmoid", "rho": "plan"}
SHAPES = ((1, 1), (3, 5), (7, 100), (2, 256), (3, 300), (40, 17))


def triangle(distance: FloatArray) -> FloatArray:
    return np.maximum(0.0, 1.0 - np.abs(distance))


def assert_bits(
    program: Program,
    functions: Functions,
    constants: Reals,
    ports: Reals,
    states: Reals,
    shape: tuple[int, int],
    surrogate: Surrogate | None = None,
) -> None:
    """All results are those of the readable step, in the first run and in the next."""
    wanted = RealStep(program, functions, surrogate=surrogate)(constants, ports, states)
    step = VectorStep(program, functions, surrogate=surrogate)
    for _ in range(2):
        found = step(constants, ports, states)
        assert list(found) == list(wanted)
        for name, values in wanted.items():
            got = np.broadcast_to(found[name], shape)
            np.testing.assert_array_equal(got, np.broadcast_to(values, shape), name)


def numbers(
    program: Program, operation: Operation, shape: tuple[int, ...], rng: np.random.Generator
) -> dict[str, FloatArray]:
    made: dict[str, FloatArray] = {n: rng.normal(0, 2, shape) for n in program.names(operation)}
    if "spikes" in made:
        made["spikes"] = (made["spikes"] > 0).astype(np.float64)
    return made


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_random_programs_have_the_bits_of_their_meaning(seed: int, backwards: bool) -> None:
    """Reverse programs have slopes and surrogates, which have no kernel."""
    rng, shape = np.random.default_rng(seed), SHAPES[seed % len(SHAPES)]
    program = random_program(seed)
    if backwards:
        program = reverse(program, tuple(program.results))
    constants = numbers(program, Operation.PARAMETER, shape[1:], rng)
    ports = numbers(program, Operation.PORT, shape, rng)
    states = numbers(program, Operation.STATE, shape, rng)
    assert_bits(program, FUNCTIONS, constants, ports, states, shape, triangle)


@pytest.mark.parametrize("name", tuple(MODELS))
def test_every_model_with_any_of_its_parts(name: str) -> None:
    """Real ones, and mixtures with some words, ends and gates, also far beyond the ends."""
    rng, model = np.random.default_rng(len(name)), find_model(name)
    constants, arriving = random_case(name, rng)
    size = arriving.shape[2]
    network = Network(
        (Input("x", size, True), Neurons("neurons", size, model, constants)),
        tuple(Projection("x", "value", "neurons", p, Dense(np.eye(size))) for p in model.ports),
        "neurons",
    )
    fixed = quantize(network, "loihi2", arriving[:20], QuantizeOptions(allow=tuple(LIMITS)))
    every = parts(network, fixed)
    own = [p for p in every if p.kind in (Kind.WORD, Kind.SATURATION, Kind.FUNCTION)]
    for chosen in ((), own, own[::2], own[1::2], [p for p in own if p.kind is Kind.SATURATION]):
        neurons = partly_fixed(network, fixed, chosen).population("neurons")
        assert isinstance(neurons, Neurons)
        program = neurons.model.program
        for scale in (1.0, 1e6):
            shape = (9, size)
            ports = {n: scale * rng.normal(0, 3, shape) for n in program.ports}
            states = {n: scale * rng.normal(0, 2, shape) for n in program.states}
            assert_bits(program, neurons.functions, neurons.constants, ports, states, shape)


@pytest.mark.parametrize(
    ("operation", "taken"),
    [
        (Operation.TRUNCATE, (3,)), (Operation.NEAREST, (3,)), (Operation.NEAREST, (-2,)),
        (Operation.SATURATE, (-9, 8, 1)), (Operation.WRAP, (5, 1, 2)), (Operation.WRAP, (5, 0, 2)),
        (Operation.WRAP, (24, 1, 12)), (Operation.WRAP_ONCE, (5, 8, 2)),
        (Operation.WRAP_ONCE, (24, 32, 6)),
    ],
)  # fmt: skip
def test_rounding_at_every_end(operation: Operation, taken: tuple[int, ...]) -> None:
    """Ties, both sides of each end, many turns of a word, and what is no finite number."""
    builder = Builder("rounded")
    port = builder.add(Operation.PORT, name="x")
    program = builder.program({"y": builder.add(operation, port, name="y", numbers=taken)})
    grid = np.arange(-1200, 1200) / 16
    ends = [s * (2.0**k + d) for k in range(45) for s in (-1, 1) for d in (-0.25, 0, 0.25, 0.5)]
    x = np.array([[*grid, *ends, np.nan]])
    shape = (1, x.size)
    with np.errstate(invalid="ignore"):
        assert_bits(program, {}, {}, {"x": x}, {}, shape)


@pytest.mark.parametrize("function", ["plan", "table", "interpolated"])
@pytest.mark.parametrize("fraction", [4, 12, 20])
def test_gates_in_the_integers_form(function: str, fraction: int) -> None:
    table: IntArray = np.zeros(0, np.int64)
    form = GateFormat("plan", 6)
    if function != "plan":
        between = function == "interpolated"
        table = sigmoid_table(6, 12, interpolated=between, nonlinearity="sigmoid")
        form = GateFormat("interpolated" if between else "table", 12, 6)
    gate = RoundedGate(form, fraction, table)
    builder = Builder("rounded")
    port = builder.add(Operation.PORT, name="x")
    program = builder.program({"y": builder.add(Operation.GATE, port, name="g")})
    x = np.concatenate([np.arange(-9, 9, 1 / 64), 2.0 ** np.arange(60), -(2.0 ** np.arange(60))])
    assert_bits(program, {"g": gate}, {}, {"x": x[None]}, {}, (1, x.size))
    nothing = np.array([[np.inf, -np.inf, np.nan]])
    assert np.isnan(VectorStep(program, {"g": gate})({}, {"x": nothing}, {})["y"]).all()


def test_known_results_are_taken_as_they_are() -> None:
    rng, shape = np.random.default_rng(3), (4, 6)
    program = random_program(3)
    constants = numbers(program, Operation.PARAMETER, shape[1:], rng)
    ports = numbers(program, Operation.PORT, shape, rng)
    states = numbers(program, Operation.STATE, shape, rng)
    known = {"kept": rng.normal(size=shape)}
    rest = ("membrane", "spikes")
    steps = [kind(program, FUNCTIONS, rest, ("kept",)) for kind in (RealStep, VectorStep)]
    wanted, found = (step(constants, ports, states, known) for step in steps)
    for name in rest:
        np.testing.assert_array_equal(found[name], wanted[name], name)


def test_constants_and_shapes_may_change_between_steps() -> None:
    builder = Builder("real")
    factor = builder.add(Operation.PARAMETER, name="k")
    port = builder.add(Operation.PORT, name="x")
    twice = builder.add(Operation.MULTIPLY, builder.number(2.0), factor)
    program = builder.program({"y": builder.add(Operation.MULTIPLY, twice, port), "two": twice})
    step = VectorStep(program, {})
    k: FloatArray = np.array([1.0, 2.0])
    # Neurons of a sample are not side by side.
    x: FloatArray = np.asfortranarray(np.random.default_rng(0).normal(size=(6, 2)))
    for batch in (6, 3):
        assert step({"k": k}, {"x": x[:batch]}, {})["y"].tolist() == (x[:batch] * 2 * k).tolist()
        np.multiply(k, 3.0, out=k)
    assert step({"k": k}, {"x": x}, {})["two"].tolist() == [18.0, 36.0]
    # One number instead of an array is left to the readable step.
    assert step({"k": k}, {"x": np.array(2.0)}, {})["y"].tolist() == [36.0, 72.0]


def test_results_are_new_arrays_at_every_step() -> None:
    program = random_program(1)
    rng, shape = np.random.default_rng(1), (3, 4)
    constants = numbers(program, Operation.PARAMETER, shape[1:], rng)
    step = VectorStep(program, FUNCTIONS)
    taken = []
    for _ in range(2):
        ports = numbers(program, Operation.PORT, shape, rng)
        states = numbers(program, Operation.STATE, shape, rng)
        found = step(constants, ports, states)
        taken.append((found, {name: array.copy() for name, array in found.items()}))
    for found, copies in taken:
        for name, array in copies.items():
            np.testing.assert_array_equal(found[name], array)


def test_blocks_are_used_again() -> None:
    """A long program needs few of them, and what is kept between sections is a whole array."""
    program = random_program(5, length=200)
    made = sections_of(program, FUNCTIONS, tuple(program.results), ())
    kernels = [work for section in made.sections for work in section.kernels]
    assert len(kernels) > 200
    assert len(made.scratch) < len(kernels) / 2
    assert {work.kernel for work in kernels} <= KERNELS.keys()
