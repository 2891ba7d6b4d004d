"""Dense and sparse operators give the same sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray


@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_sparse_equals_dense(seed: int, targets: int, sources: int, integers: bool) -> None:
    """Sums, magnitudes, arrays and replaced values agree, integers exactly."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-128, 128, (targets, sources)) * (rng.random((targets, sources)) < 0.4)
    array = matrix if integers else matrix / 64
    dense, sparse = Dense(array), Sparse.from_array(array)
    messages = rng.integers(-5, 6, (3, sources))
    assert np.array_equal(dense.apply(messages), messages @ array.T)
    assert np.array_equal(sparse.apply(messages), dense.apply(messages))
    limits = rng.integers(0, 9, sources)
    assert np.array_equal(sparse.row_magnitudes(limits), dense.row_magnitudes(limits))
    assert np.array_equal(sparse.to_array(), array)
    doubled = sparse.with_values(sparse.values * 2)
    assert np.array_equal(doubled.to_array(), array * 2)
    assert sparse.apply(messages).dtype == dense.apply(messages).dtype


@given(st.integers(0, 2**32), st.integers(1, 61), st.sampled_from([np.int64, np.int32, np.uint8]))
def test_integers_of_any_size_are_summed_exactly(seed: int, bits: int, kind: type) -> None:
    """Against Python's own integers: sums below, at and beyond what doubles hold."""
    rng = np.random.default_rng(seed)
    sources = int(rng.integers(1, 9))
    most = min((1 << bits) - 1, int(np.iinfo(kind).max))
    messages = rng.integers(0 if kind is np.uint8 else -most, most, (3, sources), endpoint=True)
    # No sum leaves 62 bits: integer networks are refused otherwise.
    largest = max(1, (1 << 62) // (most * sources))
    matrix = rng.integers(-largest, largest, (4, sources), endpoint=True)
    matrix[0], messages[0] = largest, most
    wanted = [
        [sum(w * m for w, m in zip(row, message, strict=True)) for row in matrix.tolist()]
        for message in messages.tolist()
    ]
    found = Dense(matrix).apply(messages.astype(kind))
    assert found.dtype == np.int64
    assert found.tolist() == wanted


def test_the_largest_exact_sum_and_the_one_beyond() -> None:
    for largest in ((1 << 53) - 1, 1 << 53, (1 << 53) + 1):
        dense = Dense(np.array([[largest, 0], [1, -largest]]))
        assert dense.apply(np.array([[1, 0], [0, 1]])).tolist() == [[largest, 1], [0, -largest]]


def test_stored_weights_cannot_be_changed() -> None:
    """Stages never mutate what they are given."""
    given_array = np.ones((2, 2))
    dense = Dense(given_array)
    given_array[0, 0] = 5
    assert dense.matrix[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        dense.matrix[0, 0] = 5


@pytest.mark.parametrize("matrix", [np.zeros(3), np.zeros((0, 3)), np.zeros((1, 2, 3))])
def test_weights_need_two_dimensions(matrix: FloatArray) -> None:
    """A vector or an empty matrix is no weight operator."""
    with pytest.raises(ShapeError, match="shape of weights"):
        Dense(matrix)


def test_nan_is_named_with_its_place() -> None:
    """The first bad weight and where it is."""
    with pytest.raises(InvalidValueError, match=r"weights\[1, 0\] is nan"):
        Dense(np.array([[0.0], [np.nan]]))


@pytest.mark.parametrize(
    ("indptr", "indices"),
    [
        ([0, 1], [0, 1]),
        ([0, 2], [1, 0]),
        ([0, 2], [0, 0]),
        ([0, 2], [0, 9]),
        ([1, 2], [0, 1]),
        # Rows that would need terabytes, and differences that overflow 64 bits.
        ([0, 10**12, 2], [0, 1]),
        ([0, 2**62 + 5, -(2**62) - 5, 2], [0, 1]),
    ],
)
def test_broken_row_structure_is_refused(indptr: list[int], indices: list[int]) -> None:
    """Wrong ends, unsorted, repeated or out-of-range columns."""
    with pytest.raises(InvalidValueError):
        Sparse(np.array(indptr), np.array(indices), np.array([1, 2]), sources=3)


OPERATORS = {
    "dense": Dense(np.arange(6.0).reshape(2, 3)),
    "sparse": Sparse(np.array([0, 1, 3]), np.array([0, 0, 2]), np.arange(3.0), sources=3),
    "conv": Conv(np.ones((1, 1, 2)), (1, 3)),
}


@pytest.mark.parametrize("weights", OPERATORS.values(), ids=OPERATORS)
def test_what_does_not_fit_an_operator_is_named(weights: Weights) -> None:
    """Messages, limits and values of another size, and what are no numbers."""
    for messages in (np.ones((2, 4)), np.ones(3), np.ones((1, 2, 3))):
        with pytest.raises(ShapeError, match=r"shape of messages.*\(samples, 3\)"):
            weights.apply(messages)
    with pytest.raises(InvalidValueError, match="messages"):
        weights.apply(np.array([["1", "2", "3"]]))
    with pytest.raises(ShapeError, match=r"limits of messages.*\(3,\)"):
        weights.row_magnitudes(np.ones((3, 3)))
    count = weights.values.size
    for values in (np.ones(count + 1), np.ones((1, count, 1)), np.ones(())):
        with pytest.raises(ShapeError, match=rf"values of weights.*\({count},\)"):
            weights.with_values(values)
    listed: Any = list(weights.values)
    assert weights.with_values(listed) == weights
    listed = np.ones((2, 3)).tolist()
    assert weights.apply(listed).shape == (2, weights.shape[0])


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.uint64, np.int8])
def test_integers_of_any_type_are_summed_as_integers(kind: type) -> None:
    """Unsigned ones, too, of which NumPy would make doubles; beyond 64 bits they are refused."""
    weights = (
        Dense(np.array([[1, (1 << 53) + 1]])),
        Sparse(np.array([0, 2]), np.array([0, 1]), np.array([1, (1 << 53) + 1]), sources=2),
        Conv(np.array([[[1, (1 << 53) + 1]]]), (1, 2)),
    )
    for operator in weights:
        sums = operator.apply(np.array([[0, 1]], dtype=kind))
        assert sums.dtype.kind == "i"
        assert sums.tolist() == [[(1 << 53) + 1]]
    with pytest.raises(InvalidValueError, match="largest of messages"):
        weights[0].apply(np.array([[0, 1 << 63]], dtype=np.uint64))
