"""Layers of any model: windows against single steps, constants, ports and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from ltc2hw.dynamics.expression import (
    Expression,
    constant,
    fires,
    gate,
    larger,
    mix,
    port,
    register,
    state,
    where,
)
from ltc2hw.dynamics.model import Model, model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.neurons import LTCCell, NeuronState, ProgramCell, ReadoutCell, SpikingNetwork
from ltc2hw.neurons.window import run_window
from tests.neurons.randomised import randomised

STEPS, BATCH, INPUTS, SIZE = 12, 4, 3, 7


@model(output="spikes", sends=("spikes", "membrane"))
def own() -> Mapping[str, Expression]:
    """A model of this test alone: two ports, a refractory count, a gate and a floor."""
    drive = register(port("current") + constant("bias", 0.1), "drive")
    tau = gate(port("pace") + constant("pace.bias", -1.0) + 0.5 * drive, "pace")
    waiting = state("waiting")
    charged = larger(mix(state("membrane"), drive, tau), constant("floor", -0.2, high=0.0))
    spikes = fires(charged, constant("threshold", 0.4, low=0.1, high=2.0) + 0.3 * waiting)
    left = larger(waiting - 1.0, 0.0)
    return {
        "drive": drive,
        "membrane": where(fires(waiting, 0.0), 0.5 * charged, where(spikes, 0.0, charged)),
        "waiting": where(spikes, 2.0, left),
        "spikes": spikes,
    }


CHOICES: dict[str, Model] = {"own": own, **{name: find_model(name) for name in MODELS}}


def samples(scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(STEPS, BATCH, INPUTS, generator=generator, dtype=torch.float64)
    return (scale * x).requires_grad_(True)


def cell_of(name: str, **options: object) -> ProgramCell:
    """A cell that fires now and then."""
    generator = torch.Generator().manual_seed(2)
    gains = {"brf": 200.0, "adlif": 40.0, "izhikevich": 0.5}
    gain = gains.get(name, 2.0)
    return ProgramCell(
        CHOICES[name], INPUTS, SIZE, gain=gain, generator=generator, **options  # type: ignore[arg-type]
    ).double()  # fmt: skip


def by_steps(cell: ProgramCell, x: Tensor, state: NeuronState | None) -> list[NeuronState]:
    states = []
    for values in x:
        _, state = cell(values, state)
        states.append(state)
    return [after for after in states if after is not None]


def compare(cell: ProgramCell, x: Tensor, start: NeuronState | None = None) -> float:
    """Windows equal steps, with all gradients; how often something was sent."""
    before = cell.initial_state(x.shape[1]) if start is None else start
    found = run_window(cell.form, cell.tensors(), tuple(before), x)
    states = by_steps(cell, x, start)
    wanted = [torch.stack(values) for values in zip(*states, strict=True)]
    generator = torch.Generator().manual_seed(3)
    weights = [torch.randn(s.shape, generator=generator, dtype=s.dtype) for s in wanted]
    totals = [
        torch.stack([(s * w).sum() for s, w in zip(sequences, weights, strict=True)]).sum()
        for sequences in (found, wanted)
    ]
    for value, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(value, other, rtol=1e-12, atol=1e-12)
    variables = [x, *cell.parameters()]
    gradients = [torch.autograd.grad(total, variables, allow_unused=True) for total in totals]
    for value, other in zip(*gradients, strict=True):
        other = torch.zeros_like(value) if other is None else other
        # Some models are chaotic, their gradients large.
        scale = max(1.0, float(other.abs().max()))
        torch.testing.assert_close(value, other, rtol=0, atol=1e-10 * scale)
    return float(cell.register(found, cell.form.model.output).detach().abs().sum())


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("recurrent", [True, False])
def test_windows_equal_steps(name: str, recurrent: bool) -> None:
    assert compare(cell_of(name, recurrent=recurrent), samples()) > 0


@pytest.mark.parametrize("surrogate", ["multi_gaussian", "triangle"])
def test_graded_synapses_arrive_beside_others(surrogate: str) -> None:
    cell = cell_of(
        "own",
        graded=(("membrane", "pace"), ("drive", "pace"), ("waiting", "current")),
        nonlinearity="plan",
        surrogate=surrogate,
    )
    randomised(cell, seed=4)
    with torch.no_grad():
        cell.get_parameter("constant_threshold").fill_(0.3)
    assert compare(cell, samples()) > 0


def test_a_window_goes_on_from_any_state() -> None:
    cell = cell_of("own")
    x = samples()
    middle = by_steps(cell, x[:5], None)[-1]
    start = NeuronState.of(middle._fields, [value.detach() for value in middle])
    assert compare(cell, x[5:].detach().requires_grad_(True), start) > 0


def test_the_way_back_can_be_gone_twice() -> None:
    cell, x = cell_of("own", graded=(("drive", "pace"),)), samples()
    spikes, membrane, _ = cell.window(x)
    wanted = [x, *cell.parameters()]
    total = (spikes + membrane).square().sum()
    first = torch.autograd.grad(total, wanted, retain_graph=True)
    again = torch.autograd.grad(total, wanted)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_constants_are_parameters_unless_fixed() -> None:
    cell = cell_of("alif", constants={"jump": 0.5}, spreads={"threshold": 0.25}, fixed=("reset",))
    parameters = dict(cell.named_parameters())
    assert "constant_reset" in dict(cell.named_buffers())
    assert "constant_reset" not in parameters
    assert parameters["constant_jump"].tolist() == [0.5] * SIZE
    threshold = parameters["constant_threshold"]
    assert bool(((threshold - 1.0).abs() <= 0.25).all())
    assert len(set(threshold.tolist())) == SIZE


def test_a_constant_beyond_its_range_counts_as_its_end() -> None:
    cell, other = cell_of("lif"), cell_of("lif")
    with torch.no_grad():
        cell.get_parameter("constant_membrane_decay").fill_(1.7)
        other.get_parameter("constant_membrane_decay").fill_(1.0)
    x = samples()
    assert torch.equal(cell.window(x)[1], other.window(x)[1])
    for found, slope in ((cell, 0.0), (other, None)):
        (gradient,) = torch.autograd.grad(
            found.window(x)[1].sum(), found.get_parameter("constant_membrane_decay")
        )
        assert (float(gradient.abs().max()) == 0.0) == (slope == 0.0)
    compare(cell, x)


def test_an_ltc_as_a_program_is_the_ltc_cell() -> None:
    generator = torch.Generator().manual_seed(5)
    wanted = LTCCell(INPUTS, SIZE, generator=generator).double()
    cell = ProgramCell(find_model("ltc"), INPUTS, SIZE).double()
    randomised(wanted, seed=6)
    with torch.no_grad():
        cell.weight_input.copy_(wanted.weight_input)
        assert cell.weight_recurrent is not None
        assert wanted.weight_recurrent is not None
        cell.weight_recurrent.copy_(wanted.weight_recurrent)
        for name, value in wanted.tensors().named(wanted.form).items():
            cell.get_parameter(f"constant_{name.replace('.', '_')}").copy_(value)
    x = samples()
    for found, other in zip(cell.window(x)[:2], wanted.window(x)[:2], strict=True):
        torch.testing.assert_close(found, other, rtol=0, atol=1e-12)


def test_layers_of_models_make_a_network() -> None:
    last = ProgramCell(find_model("if_subtract"), SIZE, 5, recurrent=False)
    net = SpikingNetwork([cell_of("alif").float(), last], ReadoutCell(5, 2), read_from="membrane")
    outputs, state = net(samples().float())
    assert outputs.shape == (STEPS, BATCH, 2)
    assert state.layers[0].adaptation.shape == (BATCH, SIZE)
    again, _ = net(samples().float(), state.detach())
    assert not torch.equal(outputs, again)


def test_what_a_cell_refuses() -> None:
    with pytest.raises(UnknownNameError, match="port of model alif is 'tau'"):
        cell_of("alif", ports=("tau",))
    with pytest.raises(UnknownNameError, match="constant of model alif is 'kept'"):
        cell_of("alif", constants={"kept": 1.0})
    with pytest.raises(UnknownNameError, match="constant of model alif is 'kept'"):
        cell_of("alif", fixed=("kept",))
    with pytest.raises(UnknownNameError, match="graded variable of model own is 'pace'"):
        cell_of("own", graded=(("pace", "current"),))
    with pytest.raises(InvalidValueError, match=r"membrane_decay of lif is 1\.25; expected 0\.0"):
        cell_of("lif", constants={"membrane_decay": 1.0}, spreads={"membrane_decay": 0.25})
    with pytest.raises(UnknownNameError, match="nonlinearity"):
        cell_of("lif", nonlinearity="tanh")


def test_states_have_the_names_of_their_model() -> None:
    cell = cell_of("alif")
    _, state = cell(samples()[0])
    assert state._fields == ("current", "membrane", "adaptation", "spikes")
    with pytest.raises(AttributeError, match="has no voltage"):
        state.voltage  # noqa: B018
    with pytest.raises(InvalidValueError, match="state of ProgramCell is"):
        cell(samples()[0], cell_of("brf").initial_state(BATCH))
    short = NeuronState.of(state._fields, [value[:1] for value in state])
    with pytest.raises(ShapeError, match="current of the state"):
        cell(samples()[0], short)
