"""Descents with a memory as streams: what goes on, what is cleared, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw import FPTTRule, Network, learn, quantize, simulate
from ltc2hw.dynamics.expression import port, register, state
from ltc2hw.dynamics.model import model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.tangent import tangent
from ltc2hw.errors import (
    InvalidValueError,
    ShapeError,
    TrainingError,
    UnknownNameError,
    UnsupportedError,
)
from ltc2hw.files.learning_file import load_learning, save_learning
from ltc2hw.graph.network import Input, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.descent import kept
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.rule import Parameter, feedback_matrix
from ltc2hw.learning.scope import PARTIAL
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.plasticity.float64 import FloatLearner
from tests.learning.test_eligibility import (
    CURRENTS,
    HIDDEN,
    INPUTS,
    LAYERS,
    OUTPUTS,
    STATIC,
    TorchNetwork,
    network_of,
    one_leak,
    sequence,
)
from tests.random_networks import random_network

STEPS, SAMPLES = 7, 3
RATE = 2.0**-4
ONLINE = FPTTRule(learning_rate=RATE, weighting="uniform", descent="eligibility")
FILTERED = replace(ONLINE, descent="filtered", ports=CURRENTS)
EPROP = replace(FILTERED, update="plain", feedback="adaptive")
RULES = {"FPTT with eligibility": ONLINE, "filtered": FILTERED, "e-prop": EPROP}

NETWORK = one_leak(network_of(find_model("ltc"), 5, STATIC))


def stream() -> tuple[FloatArray, Any]:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, OUTPUTS, (STEPS, SAMPLES))
    labels[rng.random(labels.shape) < 0.4] = -1
    labels[0] = 0
    return rng.uniform(0, 1, (STEPS, SAMPLES, INPUTS)), labels


def assert_same(ours: Learning, theirs: Learning) -> None:
    """Two states of learning agree in every number."""
    assert ours.step == theirs.step
    assert ours.memories.keys() == theirs.memories.keys()
    assert ours.eligibility.keys() == theirs.eligibility.keys()
    assert ours.feedback.keys() == theirs.feedback.keys()
    for parameter, memory in ours.memories.items():
        for one, other in zip(memory, theirs.memories[parameter], strict=True):
            assert np.array_equal(one, other)
    for parameter, own in ours.eligibility.items():
        assert own.keys() == theirs.eligibility[parameter].keys()
        for name, values in own.items():
            assert np.array_equal(values, theirs.eligibility[parameter][name])
    for index, values in ours.feedback.items():
        assert np.array_equal(values, theirs.feedback[index])


def run(rule: FPTTRule, x: FloatArray, labels: Any, **options: Any) -> Learned[Network]:
    result: Learned[Network] = learn(NETWORK, x, labels, rule, **options)
    return result


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("cut", [1, 3, 6])
def test_a_stream_may_be_cut_anywhere_and_kept_in_a_file(
    rule: FPTTRule, cut: int, tmp_path: Path
) -> None:
    x, labels = (own[:, :1] for own in stream())
    whole = run(rule, x, labels)
    first = run(rule, x[:cut], labels[:cut], reset=False)
    save_learning(first.learning, tmp_path / "learning.h5")
    state = load_learning(tmp_path / "learning.h5")
    assert_same(state, first.learning)
    second = run(rule, x[cut:], labels[cut:], learning=state, reset=False)
    assert np.array_equal(np.concatenate([first.outputs, second.outputs]), whole.outputs)
    assert_same(second.learning, whole.learning)
    assert any(np.any(a) for own in whole.learning.eligibility.values() for a in own.values())


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_what_is_eligible_is_cleared_with_the_registers(rule: FPTTRule) -> None:
    x, labels = stream()
    whole, state, outputs = run(rule, x, labels), None, []
    for s in range(SAMPLES):
        done = run(rule, x[:, s : s + 1], labels[:, s : s + 1], learning=state)
        state = done.learning
        outputs.append(done.outputs)
    assert np.array_equal(np.concatenate(outputs, axis=1), whole.outputs)
    assert_same(done.learning, whole.learning)
    going_on = run(rule, x, labels, reset=False)
    assert not np.array_equal(going_on.outputs, whole.outputs)


def test_steps_without_goals_leave_what_later_errors_find() -> None:
    """Autograd of a loss at the last step alone."""
    network = network_of(find_model("ltc"), 4, LAYERS)
    x, goals = sequence(ONLINE, 0)
    learner, steps = FloatLearner(network, ONLINE), len(x)
    learning = learner.start()
    for t in range(steps):
        goal = goals[t] if t == steps - 1 else None
        _, descent, learning = learner.descend(network, learning, x[t], goal, t, steps)
        assert bool(descent) == (goal is not None)
    twin = TorchNetwork(network)
    wanted = twin.descent(ONLINE, learner.parameters, x, goals, last=True)
    for parameter, own in descent.items():
        np.testing.assert_allclose(own, wanted[parameter], rtol=1e-10, atol=1e-10)


def test_a_plain_update_is_gradient_descent() -> None:
    x, labels = stream()
    rule = replace(ONLINE, update="plain")
    learner = FloatLearner(NETWORK, rule)
    before = learner.start()
    update, after = learner.step(before, x[0, 0], np.eye(OUTPUTS)[0], 0, STEPS)
    for parameter, memory in after.memories.items():
        wanted = before.memories[parameter].value + RATE * update.descent[parameter]
        assert np.array_equal(memory.value, wanted)
        assert np.array_equal(memory.mean, wanted)
        assert not memory.gradient.any()
    assert labels.shape == (STEPS, SAMPLES)


@pytest.mark.parametrize("update", ["plain", "fptt"])
def test_adaptive_feedback_follows_the_weights_and_their_difference_fades(update: Any) -> None:
    x, labels = stream()
    rule = replace(EPROP, update=update, feedback_decay=0.25)
    done = run(rule, x, labels)
    feedback, crossed = done.learning.feedback, {3, 4}
    assert feedback.keys() == crossed
    for index in crossed:
        parameter = Parameter("readout", "current", "weights", index)
        shape = NETWORK.projections[index].weights.shape
        begun = feedback_matrix(rule, index, shape).ravel()
        apart = begun - NETWORK.projections[index].weights.values
        now = feedback[index] - done.learning.memories[parameter].value
        np.testing.assert_allclose(now, apart * 0.75**done.learning.step, atol=1e-12)
        assert np.abs(now).max() > 0
    held = run(replace(rule, ports={"hidden": ("current",)}), x, labels).learning.feedback
    for index in crossed:
        shape = NETWORK.projections[index].weights.shape
        assert np.array_equal(held[index], feedback_matrix(rule, index, shape).ravel())


def test_adaptive_feedback_begins_as_random_feedback() -> None:
    x, _ = stream()
    goal = np.eye(OUTPUTS)[1]
    found = []
    for feedback in ("random", "adaptive"):
        learner = FloatLearner(NETWORK, replace(ONLINE, feedback=feedback))
        found.append(learner.step(learner.start(), x[0, 0], goal, 0, STEPS)[0].descent)
    assert all(np.array_equal(own, found[1][parameter]) for parameter, own in found[0].items())


# --- what is kept -------------------------------------------------------------------------------


def test_words_per_synapse_follow_from_the_neuron() -> None:
    def names(network: Network, rule: FPTTRule) -> dict[str, tuple[str, ...]]:
        learner = FloatLearner(network, rule)
        found = kept(network, rule, learner.parameters, learner.crossed)
        return {f"{p.population}.{p.port}": own.names for p, own in found.items()}

    whole = ("membrane", "adaptation", "spikes")
    assert names(NETWORK, replace(ONLINE, descent="instantaneous")) == {}
    assert names(NETWORK, ONLINE)["hidden.tau_mem"] == whole
    assert names(NETWORK, ONLINE)["readout.current"] == ("membrane",)
    traces = ("spikes.current.membrane", "membrane.current.membrane")
    assert names(NETWORK, FILTERED)["hidden.current"] == (*whole, *traces)
    alif = network_of(find_model("alif"), 1)
    assert names(alif, ONLINE)["hidden.current"] == ("current", "membrane", "adaptation")


def test_the_page_tells_the_words_of_every_neuron() -> None:
    page = Path("docs/learning-rules.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    told = {
        name.strip("` "): (int(row[1]), tuple(row[2].split(";")[0].split(", ")))
        for row in rows
        if len(row) == 3 and row[1].isdigit()
        for name in row[0].split(", ")
    }
    assert told.keys() == MODELS.keys()
    for name, (words, states) in told.items():
        own = find_model(name)
        for landing in own.ports:
            found = tangent(own).remembered(landing, (own.output,))
            assert (len(found), found) == (words, states), name


# --- neurons whose errors find the past alone ---------------------------------------------------

BEFORE_ALIF = Network(
    (
        Input("input", INPUTS, graded=True),
        Neurons("first", HIDDEN, "ltc"),
        Neurons("late", HIDDEN, "alif"),
        Neurons("readout", OUTPUTS, "readout"),
    ),
    tuple(
        Projection(source, variable, target, "current", Dense(np.ones((rows, columns))))
        for source, variable, target, rows, columns in (
            ("input", "value", "first", HIDDEN, INPUTS),
            ("first", "spikes", "late", HIDDEN, HIDDEN),
            ("late", "spikes", "readout", OUTPUTS, HIDDEN),
        )
    ),
    "readout",
)


def test_errors_end_at_neurons_that_answer_a_step_later_and_it_is_said() -> None:
    x, labels = stream()
    with pytest.raises(UnsupportedError, match="errors end at late: in the model alif"):
        learn(BEFORE_ALIF, x, labels, ONLINE)
    held = learn(BEFORE_ALIF, x, labels, ONLINE, allow=(PARTIAL,)).held
    assert "errors end at late" in held["input.value->first.current"]
    assert "first.spikes->late.current" not in held
    plain = replace(ONLINE, descent="instantaneous")
    with pytest.raises(UnsupportedError, match="descent by eligibility follows it"):
        learn(network_of(find_model("alif"), 1), x, labels, plain)


# --- refusals -----------------------------------------------------------------------------------


def test_dense_gates_have_no_local_memory() -> None:
    network = random_network(np.random.default_rng(0), gate="dense")
    x = np.zeros((2, 1, network.input.size))
    with pytest.raises(UnsupportedError, match="eligibility in hidden0: each neuron's current"):
        learn(network, x, [0], ONLINE)
    readout_alone = replace(ONLINE, ports={"readout": ("current",)})
    assert learn(network, x, [0], readout_alone).learning.step == 2


def test_a_leak_that_outputs_do_not_share_is_no_filter() -> None:
    x, labels = stream()
    gate_learns = replace(FILTERED, ports=None)
    with pytest.raises(UnsupportedError, match=r"3 outputs do not share one that stays"):
        run(gate_learns, x, labels)
    unequal = network_of(find_model("ltc"), 5, STATIC)
    with pytest.raises(UnsupportedError, match=r"carry\.membrane\.membrane"):
        learn(unequal, x, labels, FILTERED)
    steered = one_leak(network_of(find_model("ltc"), 5))
    with pytest.raises(UnsupportedError, match="descent by eligibility"):
        learn(steered, x, labels, FILTERED)
    with pytest.raises(UnsupportedError, match="its errors come through second"):
        learn(one_leak(network_of(find_model("ltc"), 4, LAYERS)), x, labels, FILTERED)


@pytest.mark.parametrize(
    ("field", "value"),
    [("descent", "filtered"), ("update", "plain"), ("feedback", "adaptive")],
)
def test_integers_refuse_what_they_do_not_have(field: str, value: Any) -> None:
    x, _ = stream()
    fixed = quantize(NETWORK, "loihi2", x)
    rule = replace(FPTTRule(), **{field: value})
    for engine in ("integer", "fast"):
        with pytest.raises(InvalidValueError, match=f"{field} is '{value}'.*engine=.float64"):
            learn(fixed, x, [0, 1, 2], rule, engine=engine)
    with pytest.raises(InvalidValueError, match=field):
        integer_rule(fixed, rule)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("descent", "online", UnknownNameError),
        ("descent", None, UnknownNameError),
        ("update", "adam", UnknownNameError),
        ("feedback", "direct", UnknownNameError),
        ("feedback_decay", 1, InvalidValueError),
        ("feedback_decay", -0.5, InvalidValueError),
        ("feedback_decay", float("nan"), InvalidValueError),
        ("feedback_decay", "0.1", InvalidValueError),
        ("feedback_decay", True, InvalidValueError),
    ],
)
def test_choices_that_do_not_exist_are_named(field: str, value: Any, error: Any) -> None:
    with pytest.raises(error, match=field):
        FPTTRule(**{field: value})


def changed(learning: Learning, what: str) -> Learning:
    """A state of learning with something wrong."""
    parameter = next(iter(learning.eligibility))
    own = dict(learning.eligibility[parameter])
    if what == "missing":
        return replace(learning, eligibility={})
    if what == "missing state":
        own.pop("membrane")
    elif what == "one more state":
        own["charge"] = own["membrane"]
    elif what == "shape":
        own["membrane"] = own["membrane"][:-1]
    elif what == "NaN":
        own["membrane"] = np.full_like(own["membrane"], np.nan)
    elif what == "no mapping":
        wrong: Any = own["membrane"]
        return replace(learning, eligibility={**learning.eligibility, parameter: wrong})
    elif what == "feedback":
        return replace(learning, feedback={})
    return replace(learning, eligibility={**learning.eligibility, parameter: own})


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("missing", InvalidValueError, "eligibility of .* is missing"),
        ("missing state", InvalidValueError, "eligibility of input.value->hidden.current is"),
        ("one more state", InvalidValueError, "charge"),
        ("shape", ShapeError, "eligibility of input.value->hidden.current in membrane"),
        ("NaN", InvalidValueError, "NaN or infinite"),
        ("no mapping", InvalidValueError, "eligibility of input.value->hidden.current"),
        ("feedback", InvalidValueError, "projections with feedback weights"),
    ],
)
def test_states_that_do_not_fit_the_rule_are_named(what: str, error: Any, message: str) -> None:
    x, labels = stream()
    done = run(EPROP, x, labels)
    with pytest.raises(error, match=message):
        run(EPROP, x, labels, learning=changed(done.learning, what))


def test_states_of_one_descent_are_none_of_another() -> None:
    x, labels = stream()
    online, now = (run(r, x, labels) for r in (ONLINE, replace(ONLINE, descent="instantaneous")))
    with pytest.raises(InvalidValueError, match=r"eligibility of .* is missing"):
        run(ONLINE, x, labels, learning=now.learning)
    with pytest.raises(InvalidValueError, match=r"eligibility of .* is there"):
        run(replace(ONLINE, descent="instantaneous"), x, labels, learning=online.learning)


# --- it helps -----------------------------------------------------------------------------------


def test_a_cue_that_only_memory_holds_is_learned_with_eligibility_alone() -> None:
    """One of two cues at the first step, an answer at the last; the readout forgets quickly."""
    rng = np.random.default_rng(4)
    gates = {"tau_mem.bias": -1.5, "threshold": 100.0}
    hidden = Neurons("hidden", 6, "ltc", gates)
    readout = Neurons("readout", 2, "readout", {"tau_mem.bias": 3.0})
    network = Network(
        (Input("input", 2, graded=True), hidden, readout),
        (
            Projection("input", "value", "hidden", "current", Dense(rng.normal(0, 0.1, (6, 2)))),
            Projection("hidden", "membrane", "readout", "current", Dense(rng.normal(0, 1, (2, 6)))),
        ),
        "readout",
    )
    cues = np.arange(60) % 2
    x = np.zeros((8, 60, 2))
    x[0, np.arange(60), cues] = 3.0
    labels = np.full((8, 60), -1)
    labels[-1] = cues
    moved = {}
    for descent in ("instantaneous", "eligibility"):
        rule = FPTTRule(1.0, update="plain", ports={"hidden": ("current",)})
        rule = replace(rule, descent=descent)
        done = learn(network, x, labels, rule)
        said = simulate(done.network, x).outputs[-1]
        moved[descent] = float(np.mean(said.argmax(1) == cues))
        before = network.projections[0].weights.values
        after = done.network.projections[0].weights.values
        assert bool(np.abs(after - before).max() > 1e-9) == (descent == "eligibility")
    assert moved["eligibility"] == 1.0


@model(output="charge", sends=("charge",), source="this test")
def runaway() -> Any:
    """A readout whose memory doubles in every step."""
    return {"charge": register(2.0 * state("charge") + port("current"), "charge")}


@pytest.mark.filterwarnings("error")
def test_a_memory_that_grows_without_bound_is_named() -> None:
    network = Network(
        (Input("input", 1, graded=True), Neurons("out", 1, runaway)),
        (Projection("input", "value", "out", "current", Dense(np.zeros((1, 1)))),),
        "out",
    )
    x = np.ones((1100, 1, 1))
    labels = np.full((1100, 1), -1)
    labels[0] = 0
    rule = replace(ONLINE, biases=False)
    assert learn(network, x[:1000], labels[:1000], rule).learning.step == 1
    with pytest.raises(TrainingError, match=r"eligibility of input.value->out.current diverged"):
        learn(network, x, labels, rule)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("descent", ["instantaneous", "eligibility"])
def test_learning_that_diverges_says_so_and_warns_of_nothing(descent: Any) -> None:
    x, labels = stream()
    rule = replace(ONLINE, descent=descent, learning_rate=1e200)
    with pytest.raises(TrainingError, match="lower the learning rate"):
        run(rule, x, labels)
