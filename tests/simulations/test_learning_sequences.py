"""Samples of unequal lengths and goals at every step: what learning makes of them, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ltc2hw import FPTTRule, PlasticWords, learn, simulate
from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.learning.learned import Learned
from ltc2hw.simulations.driver import add_counts
from ltc2hw.simulations.learning_engine import fast as engine_fast
from ltc2hw.simulations.learning_engine import integer as engine_integer
from ltc2hw.simulations.plasticity import fast
from ltc2hw.simulations.plasticity.verify import verify
from tests.random_networks import random_network
from tests.simulations.test_plasticity import FIXED, INPUTS, OUTPUTS, assert_same, nonzero

STEPS, SAMPLES = 6, 5
LENGTHS = np.array([6, 2, 5, 1, 3])
RULE, WORDS = FPTTRule(learning_rate=2.0**-3), PlasticWords(seed=6)
LINEAR = FPTTRule(learning_rate=2.0**-3, error="linear")
EVEN = replace(RULE, weighting="uniform")
HELD = replace(RULE, self_terms=False)
ENGINES = ("integer", "fast", "float64")


def stream() -> tuple[Any, Any, Any]:
    """Samples (T, S, N_in), some of which do not fit, labels and targets at every step."""
    rng = np.random.default_rng(8)
    x = rng.uniform(0, 1.5, (STEPS, SAMPLES, INPUTS))
    labels = rng.integers(0, OUTPUTS, (STEPS, SAMPLES))
    return x, labels, rng.normal(0, 1, (STEPS, SAMPLES, OUTPUTS))


X, LABELS, TARGETS = stream()
WANTED = np.random.default_rng(9).random((STEPS, SAMPLES)) < 0.5
WANTED[0] = True
SPARSE = np.where(WANTED, LABELS, -1)
SPARSE_TARGETS = np.where(WANTED[:, :, None], TARGETS, np.nan)

Learn = Callable[..., Learned[Any]]


def learner(engine: str, rule: FPTTRule) -> Learn:
    """An engine's ``learn(x, targets, **options)`` of one network."""
    if engine.startswith("lava's"):
        module = engine_fast if "fast" in engine else engine_integer
        return lambda x, y, **options: module.learn(FIXED, x, y, HELD, **options)
    if engine == "float64":
        network = random_network(np.random.default_rng(0))
        return lambda x, y, **options: learn(network, x, y, rule, None, engine, **options)
    return lambda x, y, **options: learn(FIXED, x, y, rule, WORDS, engine, **options)


def own(values: Any, s: int) -> Any:
    """What a sample has of labels or targets of samples or of steps."""
    if values.shape[:2] == (STEPS, SAMPLES):
        return values[: LENGTHS[s], s : s + 1]
    return values[s : s + 1]


def one_by_one(run: Learn, x: Any, wanted: Any, reset: bool) -> Learned[Any]:
    """Each sample cut to its length in a call of its own, learning carried on."""
    counts: dict[str, dict[str, int]] = {}
    outputs, state, done = [], None, None
    for s, length in enumerate(LENGTHS):
        done = run(x[:length, s : s + 1], own(wanted, s), learning=state, reset=reset)
        said = np.zeros((STEPS, 1, OUTPUTS), done.outputs.dtype)
        said[:length] = done.outputs
        outputs.append(said)
        add_counts(counts, done.saturations)
        state = done.learning
    assert done is not None
    return replace(done, outputs=np.concatenate(outputs, axis=1), saturations=counts)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("wanted", ["samples", "steps", "some steps"])
@pytest.mark.parametrize("engine", [*ENGINES, "lava's engine", "lava's engine, fast"])
def test_unequal_samples_are_their_steps_one_after_the_other(
    engine: str, wanted: str, reset: bool
) -> None:
    labels = {"samples": LABELS[0], "steps": LABELS, "some steps": SPARSE}[wanted]
    run = learner(engine, RULE)
    if wanted == "some steps" and engine.startswith("lava's"):
        with pytest.raises(UnsupportedError, match="no label or target, and synapses learn in"):
            run(X, labels, lengths=LENGTHS, reset=reset)
        return
    whole = run(X, labels, lengths=LENGTHS, reset=reset)
    assert_same(whole, one_by_one(run, X, labels, reset))
    after = np.arange(STEPS)[:, None] >= LENGTHS
    assert not whole.outputs[after].any()
    assert whole.learning.step == int((WANTED if wanted == "some steps" else ~after)[~after].sum())


@pytest.mark.parametrize("engine", ENGINES)
def test_targets_of_steps_are_those_of_samples_where_they_stay(engine: str) -> None:
    run = learner(engine, LINEAR)
    repeated = np.repeat(TARGETS[:1], STEPS, axis=0)
    whole, each = (run(X, y, lengths=LENGTHS) for y in (TARGETS[0], repeated))
    assert_same(replace(whole, saturations={}), replace(each, saturations={}))
    assert_same(
        run(X, SPARSE_TARGETS, lengths=LENGTHS),
        one_by_one(run, X, SPARSE_TARGETS, reset=True),
    )


@pytest.mark.parametrize("wanted", [SPARSE, SPARSE_TARGETS], ids=["labels", "targets"])
def test_the_compiled_engine_learns_what_the_specification_learns(wanted: Any) -> None:
    rule = RULE if wanted.ndim == 2 else LINEAR
    runs = [
        learn(FIXED, 9 * X, 9.0 * wanted if wanted.ndim == 3 else wanted, rule, WORDS, engine,
              lengths=LENGTHS, reset=reset)
        for reset in (True, False) for engine in ("integer", "fast")
    ]  # fmt: skip
    assert_same(*runs[:2])
    assert_same(*runs[2:])
    assert nonzero(runs[0].saturations)["input"]["value"] > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_steps_without_goals_run_the_network_and_change_nothing(engine: str) -> None:
    """Beside simulate for the first steps, and learn for the others."""
    run = learner(engine, EVEN)
    labels = LABELS[:, :1].copy()
    labels[:4] = -1
    found = run(X[:, :1], labels)
    start = run(X[:1, :1], [[0]])
    network = FIXED if engine != "float64" else random_network(np.random.default_rng(0))
    adapted = run(X[:1, :1], [[-1]], reset=False)
    assert adapted.learning.step == 0
    kind = "float64" if engine == "float64" else "integer"
    ran = simulate(adapted.network, X[:4, :1], kind)
    assert np.array_equal(ran.outputs, found.outputs[:4])
    state = replace(adapted.learning, registers=ran.state)
    rest = run(X[4:, :1], labels[4:], learning=state, reset=False)
    assert np.array_equal(rest.outputs, found.outputs[4:])
    assert rest.network == found.network
    assert rest.learning.step == found.learning.step == 2
    assert network.output == start.network.output


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cuts", [(1, 2, 3), (5,), (2, 4)])
def test_a_stream_without_end_may_be_cut_anywhere(engine: str, cuts: tuple[int, ...]) -> None:
    """Chunks without any goal among them; all steps count alike."""
    run = learner(engine, EVEN)
    labels = SPARSE[:, :1].copy()
    labels[1:3] = -1
    whole = run(X[:, :1], labels)
    parts, state = [], None
    for x, y in zip(np.split(X[:, :1], cuts), np.split(labels, cuts), strict=True):
        done = run(x, y, learning=state, reset=False)
        parts.append(done.outputs)
        state = done.learning
    assert np.array_equal(np.concatenate(parts), whole.outputs)
    assert_same(
        replace(done, outputs=whole.outputs, saturations={}), replace(whole, saturations={})
    )


@pytest.mark.parametrize("most", [1, 4, STEPS, 2 * STEPS])
@pytest.mark.parametrize("reset", [True, False])
def test_pieces_of_unequal_samples_change_nothing(
    most: int, reset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = learn(FIXED, X, SPARSE, RULE, WORDS, "integer", reset=reset, lengths=LENGTHS)
    engines = [learner(f"lava's {name}", HELD) for name in ("integer", "fast")]
    readable = engines[0](X, LABELS, reset=reset, lengths=LENGTHS)
    monkeypatch.setattr(fast, "most_updates", lambda _: most)
    found = learn(FIXED, X, SPARSE, RULE, WORDS, "fast", reset=reset, lengths=LENGTHS)
    assert_same(found, expected)
    compiled = engines[1](X, LABELS, reset=reset, lengths=LENGTHS)
    assert compiled.network == readable.network
    assert np.array_equal(compiled.outputs, readable.outputs)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_comes_after_an_end_is_not_read(engine: str) -> None:
    after = np.arange(STEPS)[:, None] >= LENGTHS
    x, labels, targets = X.copy(), LABELS.copy(), TARGETS.copy()
    x[after], labels[after], targets[after] = np.nan, 99, np.nan
    clean = np.where(after[:, :, None], 0, X)
    for rule, found, wanted in ((RULE, labels, LABELS), (LINEAR, targets, TARGETS)):
        run = learner(engine, rule)
        assert_same(run(x, found, lengths=LENGTHS), run(clean, wanted, lengths=LENGTHS))


@pytest.mark.parametrize("reset", [True, False])
def test_every_update_is_verified_and_no_other_step(reset: bool) -> None:
    chip = integer_rule(FIXED, RULE, WORDS)
    errors = verify(chip, X / 2, SPARSE, reset=reset, lengths=LENGTHS)
    own_steps = np.arange(STEPS)[:, None] < LENGTHS
    assert len(errors) == int((WANTED & own_steps).sum())
    assert min(error.cosine for error in errors) > 0.9


BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "length 0": ({"lengths": [0, 1, 1, 1, 1]}, InvalidValueError, r"lengths\[0\] is 0"),
    "too long": ({"lengths": [7, 1, 1, 1, 1]}, InvalidValueError, r"lengths\[0\] is 7"),
    "reals": ({"lengths": [1.0] * 5}, InvalidValueError, "type of lengths"),
    "one length": ({"lengths": [3]}, ShapeError, "shape of lengths"),
    "a number": ({"lengths": 3}, ShapeError, "shape of lengths"),
    "words": ({"lengths": ["a"] * 5}, InvalidValueError, "lengths is of type"),
    "ragged samples": ({"x": [[[0.0] * 5], []]}, InvalidValueError, "samples is a list"),
    "batch first": ({"targets": LABELS.T}, ShapeError, "time comes first"),
    "a class too many": ({"targets": LABELS + 1}, InvalidValueError, "label is 3"),
    "real classes": ({"targets": LABELS * 1.0}, InvalidValueError, "type of labels"),
    "no label": (
        {"targets": np.where(np.arange(5) == 2, -1, LABELS)},
        InvalidValueError,
        "labels of sample 2 is none",
    ),
    "no label before the end": (
        {"targets": np.where(np.arange(6)[:, None] < 5, -1, LABELS), "lengths": LENGTHS},
        InvalidValueError,
        "labels of sample 1 is none",
    ),
    "other steps": ({"targets": LABELS[1:]}, ShapeError, "shape of labels"),
    "targets of classes": ({"targets": TARGETS}, InvalidValueError, r"labels\[0\]"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_named(case: str, engine: str) -> None:
    given, error, message = BAD[case]
    run = learner(engine, RULE)
    with pytest.raises(error, match=message):
        run(given.get("x", X), given.get("targets", LABELS), lengths=given.get("lengths"))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.where(np.arange(OUTPUTS) == 1, np.nan, TARGETS), "NaN for some outputs"),
        (np.full_like(TARGETS, np.nan), "labels of sample 0 is none"),
        (np.full_like(TARGETS, np.inf), "infinite"),
        (TARGETS[:, :, :2], r"shape of targets is \(6, 5, 2\)"),
        (TARGETS.swapaxes(0, 1), "time comes first"),
        (LABELS, "shape of targets"),
    ],
)
def test_targets_of_steps_that_do_not_fit_are_named(targets: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        learn(FIXED, X, targets, LINEAR)
