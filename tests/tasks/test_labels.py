"""Labels and samples in every form that users bring: read rightly, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.decision import Classification, Regression, decision_for
from ltc2hw.graph.labels import class_labels, plain_labels, real_targets
from ltc2hw.graph.samples import check_samples, real_array
from ltc2hw.tasks import Split, Task

CLASSES = [2, 0, 3, 1, 0]
STEPS, BATCH, INPUTS, OUTPUTS = 4, len(CLASSES), 2, 4

ONE_HOT = [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]]


def tensor(values: object, kind: str = "int64") -> Any:
    torch = pytest.importorskip("torch")
    return torch.tensor(values, dtype=getattr(torch, kind))


ACCEPTED: dict[str, Callable[[], Any]] = {
    "list": lambda: CLASSES,
    "tuple": lambda: tuple(CLASSES),
    **{
        kind: lambda kind=kind: np.array(CLASSES, kind)  # type: ignore[misc]
        for kind in ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", ">i4")
    },
    "column": lambda: np.array(CLASSES)[:, None],
    "every other": lambda: np.repeat(CLASSES, 2)[::2],
    "one-hot integers": lambda: np.array(ONE_HOT),
    "one-hot reals": lambda: np.array(ONE_HOT, np.float32),
    "one-hot booleans": lambda: np.array(ONE_HOT, bool),
    "one-hot list": lambda: ONE_HOT,
    "tensor": lambda: tensor(CLASSES),
    "tensor of int32": lambda: tensor(CLASSES, "int32"),
    "tensor of one-hot rows": lambda: tensor(ONE_HOT, "bfloat16").requires_grad_(True),
}

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "text": (lambda: [str(label) for label in CLASSES], "labels is of type <U1; expected numbers"),
    "None": (lambda: None, "labels is of type NoneType"),
    "a mapping": (lambda: dict(enumerate(CLASSES)), "labels is of type dict"),
    "ragged": (lambda: [[0], [1, 2], [0], [1], [0]], "of unequal parts"),
    "complex": (lambda: np.array(CLASSES, complex), "labels is of type complex128"),
    "a mask": (lambda: np.array(CLASSES).view(np.ma.MaskedArray), "masked array"),
    "from 1": (lambda: np.array(CLASSES) + 1, "expected 0 to 3 .classes count from 0: subtract 1"),
    "ignored by torch": (lambda: [-100, *CLASSES[1:]], "label is -100; expected 0 to 3"),
    "beyond 64 bits": (lambda: np.array([2**64 - 1, 0, 0, 0, 0], np.uint64), "64 bits"),
    "reals": (lambda: np.array(CLASSES, float), "type of labels is float64; expected integers"),
    "NaN": (lambda: [np.nan, 0, 0, 0, 0], r"labels\[0\] is nan"),
    "too few": (lambda: CLASSES[:-1], r"\(4,\); expected one per sample, 5"),
    "too many": (lambda: [*CLASSES, 0], r"\(6,\); expected one per sample, 5"),
    "a number": (lambda: 1, r"\(\); expected one per sample"),
    "a row": (lambda: [CLASSES], r"\(1, 5\); expected one per sample"),
    "exchanged": (lambda: np.array(ONE_HOT).T, r"\(4, 5\); expected one per sample, 5"),
    "soft": (lambda: np.full((BATCH, OUTPUTS), 0.25), r"labels\[0\] is .*single 1 and zeros"),
    "several": (lambda: [[1, 1, 0, 0], *ONE_HOT[1:]], r"labels\[0\] is \[1 1 0 0\]"),
    "three axes": (lambda: np.zeros((BATCH, 1, 1), int), "shape of labels"),
    "sparse": (lambda: tensor(CLASSES).to_sparse(), "layout torch.sparse_coo"),
    "nowhere": (lambda: tensor(CLASSES).to("meta"), "on meta"),
}


@pytest.mark.parametrize("form", ACCEPTED)
def test_every_form_of_classes_is_the_same_classes(form: str) -> None:
    found = class_labels(ACCEPTED[form](), BATCH, OUTPUTS)
    assert found.dtype == np.int64
    assert found.tolist() == CLASSES


@pytest.mark.parametrize("form", REFUSED)
def test_what_has_no_single_reading_is_refused(form: str) -> None:
    make, message = REFUSED[form]
    with pytest.raises(InvalidValueError, match=message):
        class_labels(make(), BATCH, OUTPUTS)


def test_targets_of_a_regression() -> None:
    wanted = [[0.5], [2.0]]
    for targets in (wanted, [0.5, 2.0], np.array(wanted, np.float32), tensor(wanted, "float16")):
        found = real_targets(targets, 2, 1)
        assert found.dtype == np.float64
        assert found.tolist() == wanted
    for targets, outputs in (([0.5, 2.0], 2), ([[0.5, 2.0]], 2), (wanted, 2), ([[0.5]], 1)):
        with pytest.raises(ShapeError, match="targets"):
            real_targets(targets, 2, outputs)
    with pytest.raises(InvalidValueError, match=r"targets\[1\] is inf"):
        real_targets([0.5, np.inf], 2, 1)


def test_samples_of_every_form() -> None:
    wanted = np.arange(8.0).reshape(2, 2, 2)
    for x in (wanted.tolist(), wanted.astype(np.uint8), tensor(wanted.tolist(), "bfloat16")):
        np.testing.assert_array_equal(check_samples(x, 2, graded=True), wanted)
    required = tensor(wanted.tolist(), "float32").requires_grad_(True)
    np.testing.assert_array_equal(check_samples(required, 2, graded=True), wanted)
    # 2^53 + 1 is the first integer that float64 rounds.
    for x, message in (
        ("text", "of type <U4"),
        ([[["0", "1"]]], "of type <U1"),
        ({}, "of type dict"),
        ([[[0, 1], [0]]], "unequal parts"),
        (wanted + 0j, "of type complex128"),
        (wanted.astype("datetime64[s]"), "of type datetime64"),
        (np.full((1, 1, 2), 2**53 + 1), "largest of samples is 9007199254740993"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            check_samples(x, 2, graded=True)
    assert real_array("samples", wanted) is wanted


def split(labels: object = CLASSES, batch: int = BATCH) -> Split:
    return Split(np.zeros((STEPS, batch, INPUTS)), labels)  # type: ignore[arg-type]


def task(**changes: Any) -> Task:
    options: dict[str, Any] = {
        "name": "own",
        "kind": "classification",
        "steps": STEPS,
        "inputs": INPUTS,
        "outputs": OUTPUTS,
        **{part: split() for part in ("train", "validation", "test")},
    }
    return Task(**{**options, **changes})


def test_a_task_brings_labels_into_one_form() -> None:
    own = task(train=split(ONE_HOT), test=split(np.array(CLASSES, np.int32)[:, None]))
    for part in (own.train, own.validation, own.test):
        assert part.labels.dtype == np.int64
        assert part.labels.tolist() == CLASSES
    one = task(
        kind="regression", outputs=1, **dict.fromkeys(("train", "validation", "test"), split())
    )
    assert one.test.labels.tolist() == [[float(label)] for label in CLASSES]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": 40}, r"train samples of task own is \(4, 5, 2\); expected \(4, samples, 40\)"),
        ({"steps": 3}, r"expected \(3, samples, 2\)"),
        ({"steps": 5, "inputs": 2}, "batch-first"),
        ({"outputs": 3}, "label is 3; expected 0 to 2"),
        ({"outputs": 0}, "outputs is 0"),
        ({"outputs": 2.5}, "outputs is 2.5"),
        ({"decision_steps": 5}, "decision_steps is 5; expected 1 to 4"),
        ({"test": split([0.5] * BATCH)}, "type of labels is float64"),
        (
            {"graded": False, "test": Split(np.full((STEPS, 1, INPUTS), 0.5), np.zeros(1, int))},
            "0 or 1",
        ),
    ],
)
def test_a_task_whose_parts_contradict_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        task(**changes)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UnknownNameError, match="kind of task is 'classify'"):
        task(kind="classify")


def test_an_augmentation_is_held_to_the_task() -> None:
    rng = np.random.default_rng(0)
    wrong = Split(np.zeros((STEPS, 2, INPUTS + 1)), np.zeros(2, int))
    with pytest.raises(ShapeError, match="augmented samples of task own"):
        task(augment=lambda part, rng: wrong).epoch(rng)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_split_holds_finite_numbers(bad: float) -> None:
    x = np.zeros((STEPS, BATCH, INPUTS))
    x[1, 2, 1] = bad
    with pytest.raises(InvalidValueError, match=r"samples of a split\[1, 2, 1\]"):
        Split(x, np.array(CLASSES))
    with pytest.raises(InvalidValueError, match=r"labels of a split\[3\]"):
        split([0.0, 0.0, 0.0, bad, 0.0])


def test_batch_first_samples_are_named_where_the_labels_tell() -> None:
    with pytest.raises(ShapeError, match="samples look batch-first"):
        Split(np.zeros((BATCH, STEPS, INPUTS)), np.array(CLASSES))
    with pytest.raises(ShapeError, match="none empty"):
        Split(np.zeros((STEPS, 0, INPUTS)), np.zeros(0, int))


def test_scores_never_broadcast() -> None:
    own = task()
    outputs = np.zeros((STEPS, BATCH, OUTPUTS))
    outputs[-1] = np.array(ONE_HOT)
    for labels in (CLASSES, np.array(CLASSES)[:, None], ONE_HOT):
        assert own.score(outputs, labels) == 1.0
        np.testing.assert_array_equal(Classification().judge(outputs, np.array(labels)), 1.0)
    for judge in (own.score, Classification().judge):
        with pytest.raises(ShapeError, match="one per sample, 5"):
            judge(outputs, np.array([2]))
    column = outputs[:, :, :1]
    squares = Regression().judge(column, np.zeros(BATCH))
    np.testing.assert_array_equal(squares, column[-1, :, 0] ** 2)
    with pytest.raises(InvalidValueError, match="finite"):
        own.score(np.full_like(outputs, np.nan), CLASSES)


def test_steps_of_a_decision_are_steps() -> None:
    for steps in (0, -1, 1.5):
        with pytest.raises(InvalidValueError, match="steps of a decision"):
            Classification(steps)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="T >= 5"):
        Classification(5).judge(np.zeros((4, 1, 2)), np.array([0]))


def test_labels_choose_the_decision() -> None:
    for make in (CLASSES, np.array(CLASSES, np.uint8)[:, None], ONE_HOT):
        assert decision_for(make, BATCH, OUTPUTS, spiking=False) == Classification(1)
    for targets, outputs in ((np.zeros(BATCH), 1), (np.zeros((BATCH, 1)), 1), (np.ones((5, 4)), 4)):
        assert decision_for(targets, BATCH, outputs, spiking=True) == Regression(None)
    for wrong, outputs in (
        (np.zeros((BATCH, 1), int), 1),
        (np.full((BATCH, OUTPUTS), 2), OUTPUTS),
        (np.zeros((BATCH, 2)), OUTPUTS),
    ):
        with pytest.raises(ShapeError, match="shape and type of labels"):
            decision_for(wrong, BATCH, outputs, spiking=False)


def test_plain_labels_keep_what_is_plain_already() -> None:
    labels = np.array(CLASSES)
    assert plain_labels(labels, BATCH) is labels
