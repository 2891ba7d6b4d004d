"""Small products of matrices take one thread, large ones those that are set; nothing stays."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.matrix_product import WORTH_THREADS, matrix_product
from ltc2hw.numbers.weights import Dense

SET = 2


def threads() -> set[int]:
    """What the libraries of matrix products are set to."""
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _as_a_user_sets_them() -> Iterator[None]:
    with threadpool_limits(SET, user_api="blas"):
        if threads() != {SET}:
            pytest.skip("the library of matrix products has no threads to set")
        yield


class Watched(np.ndarray[Any, Any]):
    """An array that notes the threads that its products take."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        self.seen = threads()
        return getattr(ufunc, method)(*(np.asarray(each) for each in inputs), **options)


def watched(*shape: int) -> Watched:
    return np.random.default_rng(0).normal(size=shape).view(Watched)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((64, 64), 1),
        # Each of many small products is small.
        ((1 << 9, 64, 64), 1),
        ((WORTH_THREADS >> 10, 32), SET),
        ((2, WORTH_THREADS >> 10, 32), SET),
    ],
)
def test_a_product_takes_the_threads_that_it_is_worth(
    shape: tuple[int, ...], expected: int
) -> None:
    left, right = watched(*shape), np.ones((shape[-1], 32))
    found = matrix_product(left, right)
    assert left.seen == {expected}
    assert threads() == {SET}
    np.testing.assert_allclose(found, np.asarray(left).sum(-1)[..., None] * np.ones(32))


def test_settings_come_back_after_a_product_that_fails() -> None:
    with pytest.raises(ValueError, match="mismatch"):
        matrix_product(np.ones((2, 3)), np.ones((2, 3)))
    assert threads() == {SET}


def test_settings_come_back_where_several_threads_of_python_overlap() -> None:
    begun, first_done = Event(), Event()
    right = np.ones((64, 64))

    class Later(Watched):
        """An array whose product begins within another one and ends after it."""

        def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **o: Any) -> Any:
            begun.set()
            first_done.wait()
            return super().__array_ufunc__(ufunc, method, *inputs, **o)

    later = Thread(target=matrix_product, args=(watched(64, 64).view(Later), right))

    class First(Watched):
        def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **o: Any) -> Any:
            later.start()
            begun.wait()
            return super().__array_ufunc__(ufunc, method, *inputs, **o)

    first = watched(64, 64).view(First)
    matrix_product(first, right)
    assert first.seen == {1}
    assert threads() == {SET}
    first_done.set()
    later.join()
    assert threads() == {SET}
    another = watched(64, 64)
    matrix_product(another, right)
    assert another.seen == {1}


@pytest.mark.parametrize(
    "weights", [Conv(np.ones((8, 4, 3, 3)), (4, 20, 20)), Dense(np.ones((50, 1600)))]
)
def test_what_networks_are_made_of_keeps_to_one_thread(weights: Conv | Dense) -> None:
    seen: set[int] = set()
    done = Event()

    def watch() -> None:
        while not done.is_set():
            seen.update(threads())

    x = np.ones((4, 1600))
    watcher = Thread(target=watch)
    watcher.start()
    for _ in range(20_000):
        weights.apply(x)
        if 1 in seen:
            break
    done.set()
    watcher.join()
    assert 1 in seen
    assert threads() == {SET}
