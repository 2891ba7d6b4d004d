"""What a caller gives to ``learn``: options, samples, targets and states, right or refused."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ltc2hw import FPTTRule, PlasticWords, learn
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.neurons import word_of
from ltc2hw.simulations.learning_engine import fast as engine_fast
from ltc2hw.simulations.learning_engine import integer as engine_integer
from ltc2hw.simulations.plasticity import fast, pieces
from ltc2hw.simulations.plasticity.layout import lay_out
from tests.random_networks import random_network
from tests.simulations.test_plasticity import (
    FIXED,
    OUTPUTS,
    SAMPLES,
    STEPS,
    assert_same,
    nonzero,
    stream,
)

X, LABELS = stream(20)
LINEAR = FPTTRule(error="linear")
ENGINES = ("integer", "fast", "float64")
RAGGED: Any = [[[1.0, 2.0], [3.0]], [[1.0]]]


def network_of(engine: str) -> Any:
    return random_network(np.random.default_rng(0)) if engine == "float64" else FIXED


# --- samples, labels, targets -------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "samples",
    ["abc", [[["a"] * 5] * 2], RAGGED, {"a": 1}, None, object(), X + 1j, 10**400, [], X[0]],
    ids=["text", "texts", "ragged", "dict", "None", "object", "complex", "huge", "empty", "flat"],
)
def test_samples_that_are_no_numbers_are_refused(engine: str, samples: Any) -> None:
    with pytest.raises(InvalidValueError, match="samples"):
        learn(network_of(engine), samples, LABELS, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wanted", ["abc", RAGGED, {"a": 1}, None, [object()] * SAMPLES])
def test_labels_and_targets_that_are_no_numbers_are_refused(engine: str, wanted: Any) -> None:
    with pytest.raises(InvalidValueError, match="labels"):
        learn(network_of(engine), X, wanted, engine=engine)
    with pytest.raises(InvalidValueError, match="targets"):
        learn(network_of(engine), X, wanted, LINEAR, engine=engine)


@pytest.mark.parametrize("engine", ["integer", "fast"])
def test_clipped_samples_and_targets_are_counted(engine: str) -> None:
    """Counted here by hand from the words' limits, and alike when the stream is cut."""
    rng = np.random.default_rng(3)
    x, wanted = rng.uniform(-1, 2, X.shape), rng.normal(0, 1e3, (SAMPLES, OUTPUTS))
    entry, output = FIXED.input, FIXED.population("readout")
    assert isinstance(output, FixedNeurons)

    def outside(values: Any, word: Any, fraction: int) -> int:
        rounded = [round(float(v) * 2.0**fraction) for v in values.ravel()]
        return sum(not word.minimum <= v <= word.maximum for v in rounded)

    clipped = outside(x, entry.word, entry.fraction)
    missed = outside(wanted, word_of(output, "membrane"), output.fractions["membrane"])
    assert 0 < clipped < x.size
    assert 0 < missed < wanted.size
    whole = learn(FIXED, x, wanted, LINEAR, engine=engine).saturations
    assert whole["input"] == {"value": clipped}
    assert whole["readout"]["target"] == missed
    first = learn(FIXED, x[:, :2], wanted[:2], LINEAR, engine=engine).saturations
    rest = learn(FIXED, x[:, 2:], wanted[2:], LINEAR, engine=engine).saturations
    assert first["input"]["value"] + rest["input"]["value"] == clipped
    assert first["readout"]["target"] + rest["readout"].get("target", 0) == missed


def test_every_engine_counts_the_same_misfits() -> None:
    x, wanted = 100 * X, np.full((SAMPLES, OUTPUTS), 1e9)
    runs = [learn(FIXED, x, wanted, LINEAR, engine=engine) for engine in ("integer", "fast")]
    assert_same(*runs)
    assert nonzero(runs[0].saturations)["input"]["value"] > 0
    held = replace(LINEAR, self_terms=False)
    found = [
        module.learn(FIXED, x, wanted, held).saturations for module in (engine_integer, engine_fast)
    ]
    for counts in found:
        assert counts["input"] == runs[0].saturations["input"]
        assert counts["readout"]["target"] == SAMPLES * OUTPUTS


def test_what_fits_is_not_counted() -> None:
    for engine in ("integer", "fast"):
        counts = learn(FIXED, X * 0.5, LABELS, engine=engine).saturations
        assert not counts.get("input")
        assert "target" not in counts["readout"]


# --- states to go on from -----------------------------------------------------------------------

START: Learning = learn(FIXED, X, LABELS, engine="fast").learning
KEY = next(iter(START.memories))
MEMORY = START.memories[KEY]
HIDDEN = START.registers["hidden0"]


def memory(**changed: Any) -> Learning:
    return replace(START, memories={**START.memories, KEY: MEMORY._replace(**changed)})


def register(**changed: Any) -> Learning:
    return replace(START, registers={**START.registers, "hidden0": {**HIDDEN, **changed}})


STATES: dict[str, Any] = {
    "text": "abc",
    "dict": {},
    "no memories": replace(START, memories=None),  # type: ignore[arg-type]
    "empty memories": replace(START, memories={}),
    "missing memory": replace(
        START, memories={key: own for key, own in START.memories.items() if key != KEY}
    ),
    "extra memory": replace(
        START, memories={**START.memories, replace(KEY, port="tau_adp"): MEMORY}
    ),
    "foreign key": replace(START, memories={**START.memories, "weights": MEMORY}),  # type: ignore[dict-item]
    "two words": replace(START, memories={**START.memories, KEY: MEMORY[:2]}),  # type: ignore[dict-item]
    "NaN": memory(value=MEMORY.value * np.nan),
    "reals": memory(value=MEMORY.value * 1.0),
    "text memory": memory(mean="abc"),
    "short": memory(gradient=MEMORY.gradient[:-1]),
    "two dimensions": memory(value=MEMORY.value[None]),
    "beyond its word": memory(value=MEMORY.value + (1 << 15)),
    "unsigned beyond 63 bits": memory(value=MEMORY.value.astype(np.uint64) + np.uint64(1 << 63)),
    "step -1": replace(START, step=-1),
    "step 1.5": replace(START, step=1.5),  # type: ignore[arg-type]
    "step 2^70": replace(START, step=2**70),
    "step text": replace(START, step="3"),  # type: ignore[arg-type]
    "no registers": replace(START, registers=None),  # type: ignore[arg-type]
    "empty registers": replace(START, registers={}),
    "extra population": replace(START, registers={**START.registers, "nowhere": {}}),
    "extra register": register(foo=HIDDEN["membrane"]),
    "NaN membrane": register(membrane=HIDDEN["membrane"] * np.nan),
    "real membrane": register(membrane=HIDDEN["membrane"] * 1.0),
    "membrane beyond its word": register(membrane=HIDDEN["membrane"] + (1 << 40)),
    "batch of two": register(membrane=np.repeat(HIDDEN["membrane"], 2, axis=0)),
    "spikes of 7": register(spikes=HIDDEN["spikes"] + 7),
    "messages of 7": register(**{"sent:spikes": HIDDEN["sent:spikes"] + 7}),
    "negative adaptation": register(adaptation=HIDDEN["adaptation"] - (1 << 40)),
}


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("engine", ["integer", "fast"])
@pytest.mark.parametrize("state", STATES)
def test_states_that_do_not_fit_are_refused(state: str, engine: str, reset: bool) -> None:
    with pytest.raises(InvalidValueError):
        learn(FIXED, X, LABELS, engine=engine, learning=STATES[state], reset=reset)


def test_states_of_floats_and_of_the_learning_engine_are_checked_alike() -> None:
    network = network_of("float64")
    learned = learn(network, X, LABELS)
    key = next(iter(learned.learning.memories))
    broken = learned.learning.memories[key]._replace(mean=np.full_like(MEMORY.mean, np.nan, float))
    memories = {**learned.learning.memories, key: broken}
    with pytest.raises(InvalidValueError):
        learn(network, X, LABELS, learning=replace(learned.learning, memories=memories))
    rule = FPTTRule(self_terms=False)
    for module in (engine_integer, engine_fast):
        state = module.learn(FIXED, X, LABELS, rule).learning
        again = module.learn(FIXED, X, LABELS, rule, learning=state)
        assert again.learning.step == 2 * STEPS * SAMPLES
        wrong = state.memories[KEY]._replace(gradient=state.memories[KEY].gradient + 256)
        with pytest.raises(InvalidValueError, match="gradient of input"):
            module.learn(
                FIXED,
                X,
                LABELS,
                rule,
                learning=replace(state, memories={**state.memories, KEY: wrong}),
            )


def test_a_state_of_narrower_integers_goes_on_the_same() -> None:
    narrow = {key: type(own)(*(a.astype(np.int32) for a in own)) for key, own in
              START.memories.items()}  # fmt: skip
    for engine in ("integer", "fast"):
        assert_same(
            learn(FIXED, X, LABELS, engine=engine, learning=replace(START, memories=narrow)),
            learn(FIXED, X, LABELS, engine=engine, learning=START),
        )


# --- options ------------------------------------------------------------------------------------

WRONG: list[Any] = [float("nan"), None, "text", -1, 10**30, float("inf"), [1], 10**400, 1 + 1j]
RATES, FLAGS = ("learning_rate", "alpha", "beta"), ("biases", "self_terms", "own_current")
WIDTHS = (
    "value", "mean", "gradient", "neuron", "gradient_shift", "factor", "factor_fraction",
    "softmax_index", "surrogate_index",
)  # fmt: skip


@pytest.mark.parametrize("option", RATES)
@pytest.mark.parametrize("value", [*WRONG[:4], *WRONG[5:], True], ids=str)
def test_rates_that_are_no_numbers_are_refused(option: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=option):
        FPTTRule(**{option: value})


@pytest.mark.parametrize("option", FLAGS)
@pytest.mark.parametrize("value", [*WRONG, 0, 1, "yes"], ids=str)
def test_switches_are_true_or_false(option: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=option):
        FPTTRule(**{option: value})


@pytest.mark.parametrize("option", ["error", "weighting", "feedback", "surrogate"])
@pytest.mark.parametrize("value", [*WRONG, ["softmax"]], ids=str)
def test_names_are_known(option: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=option):
        FPTTRule(**{option: value})


@pytest.mark.parametrize("value", [*WRONG, True, 1.5, 2**64], ids=str)
def test_seeds_are_64_bits(value: Any) -> None:
    with pytest.raises(InvalidValueError, match="feedback_seed"):
        FPTTRule(feedback_seed=value)
    with pytest.raises(InvalidValueError, match="seed"):
        PlasticWords(seed=value)


@pytest.mark.parametrize("option", WIDTHS)
@pytest.mark.parametrize("value", [*WRONG, True, 8.5, 5e-324], ids=str)
def test_widths_are_integers(option: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match="plastic word"):
        PlasticWords(**{option: value})


@pytest.mark.parametrize(
    "ports",
    [3, "hidden0", ["hidden0"], {"hidden0": "current"}, {"hidden0": None}, {3: ("current",)},
     {"hidden0": ("current", None)}, {"hidden0": {"current"}}],
    ids=str,
)  # fmt: skip
def test_ports_are_tuples_by_population(ports: Any) -> None:
    with pytest.raises(InvalidValueError):
        FPTTRule(ports=ports)


@pytest.mark.parametrize("value", [*WRONG, True], ids=str)
def test_arguments_of_another_kind_are_refused(value: Any) -> None:
    for arguments in (
        {"network": value},
        {"reset": 0 if value is True else value},
        {"engine": 5 if value is None else value},
        {"rule": {} if value is None else value},
        {"words": {} if value is None else value},
        {"learning": 0 if value is None else value},
    ):
        given: dict[str, Any] = {"network": FIXED, **arguments}
        with pytest.raises(InvalidValueError):
            learn(x=X, targets=LABELS, **given)


def test_numbers_of_numpy_are_what_they_say() -> None:
    rule = FPTTRule(np.float32(0.25), np.float64(0.5), beta=1, biases=np.bool_(True))  # type: ignore[arg-type]
    words = PlasticWords(value=np.int64(12), seed=np.uint64(2**64 - 1))  # type: ignore[arg-type]
    assert (type(rule.learning_rate), type(rule.beta), type(rule.biases)) == (float, float, bool)
    assert (type(words.value), type(words.seed)) == (int, int)
    assert words == PlasticWords(value=12, seed=2**64 - 1)


# --- pieces and interrupts ----------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 3, STEPS, STEPS + 1, 2 * STEPS])
@pytest.mark.parametrize("reset", [True, False])
def test_what_is_learned_does_not_depend_on_the_pieces(
    most: int, reset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces of whole samples, of parts of one, and of single updates: the specification's bits."""
    monkeypatch.setattr(fast, "most_updates", lambda _: most)
    rule, words = FPTTRule(learning_rate=2.0**-3), PlasticWords(seed=6)
    runs: list[Learned[Any]] = [
        learn(FIXED, 50 * X, LABELS, rule, words, engine, reset=reset)
        for engine in ("integer", "fast")
    ]
    assert_same(*runs)
    held = FPTTRule(self_terms=False)
    ours, theirs = (
        m.learn(FIXED, X, LABELS, held, reset=reset) for m in (engine_fast, engine_integer)
    )
    assert ours.network == theirs.network
    assert np.array_equal(ours.outputs, theirs.outputs)


def test_pieces_bound_what_a_kernel_call_does() -> None:
    layout = lay_out(integer_rule(FIXED, FPTTRule(), None))
    most = fast.most_updates(layout)
    assert most * layout.synapses <= pieces.PIECE_WORK
    for count, steps in ((7, 5), (3, 10 * most), (10 * most, 1)):
        covered = np.zeros((count, steps), np.int64)
        for samples, during in pieces.extents(count, steps, most):
            covered[samples, during] += 1
            assert (samples.stop - samples.start) * (during.stop - during.start) <= most
        assert np.all(covered == 1)


def interrupted(work: Callable[[], Any], after: float) -> float:
    """Seconds from Ctrl-C to the end of the work that it interrupts."""
    sent: list[float] = []

    def press() -> None:
        sent.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    timer = threading.Timer(after, press)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        timer.cancel()
    return time.monotonic() - sent[0]


def test_an_interrupt_ends_compiled_learning_soon() -> None:
    x = np.repeat(X[:, :1], 400_000, axis=1)
    labels = np.zeros(x.shape[1], np.int64)
    assert interrupted(lambda: learn(FIXED, x, labels, engine="fast"), 1.5) < 1.0


@pytest.mark.parametrize("engine", ["integer", "fast"])
def test_the_adapted_network_does_not_go_on_with_the_state(engine: str) -> None:
    """Its weights are rounded, so its scales are others than those of the state."""
    first = learn(FIXED, X[:, :2], LABELS[:2], engine=engine)
    learn(FIXED, X[:, 2:], LABELS[2:], engine=engine, learning=first.learning)
    with pytest.raises(InvalidValueError, match="network to go on learning is another one"):
        learn(first.network, X[:, 2:], LABELS[2:], engine=engine, learning=first.learning)
    learn(first.network, X[:, 2:], LABELS[2:], engine=engine)
