"""Which shapes of samples are the same, and what is said of arrays that are still images."""

from __future__ import annotations

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import ShapeError
from ltc2hw.graph.images import require_same_image
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense
from ltc2hw.tasks import Split, Task

SAME = [((28, 28), (1, 28, 28)), ((784,), (1, 28, 28)), ((1, 784), (1, 28, 28)), ((3, 1), (3,))]
OTHER = [((1, 34, 68), (2, 34, 34)), ((34, 34, 2), (2, 34, 34)), ((68, 34), (34, 68))]


@pytest.mark.parametrize(("found", "wanted"), SAME)
def test_axes_of_one_place_and_plain_numbers_leave_everything_where_it_is(
    found: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    require_same_image("samples", found, wanted, "as said")
    require_same_image("samples", wanted, found, "as said")


@pytest.mark.parametrize(("found", "wanted"), OTHER)
def test_other_images_of_as_many_numbers_are_named(
    found: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    with pytest.raises(ShapeError) as caught:
        require_same_image("samples", found, wanted, "as said")
    assert str(found) in str(caught.value)
    assert str(wanted) in str(caught.value)


def conv_network() -> Network:
    """One population over images of 2 x 4 x 4."""
    conv = Conv(np.ones((1, 2, 2, 2)), (2, 4, 4))
    out = Neurons("out", 9, "lif", shape=conv.targets)
    wire = Projection("input", "spikes", "out", "current", conv)
    return Network((Input("input", 32, shape=(2, 4, 4)), out), (wire,), "out")


def test_a_task_of_other_images_is_not_trained_on() -> None:
    training = pytest.importorskip("ltc2hw.training")
    x = np.zeros((40, 5, 1, 4, 8))
    x[:, 1] = 1
    task = Task.from_arrays(x, np.arange(40) % 9)
    with pytest.raises(ShapeError, match=r"\(1, 4, 8\); expected \(2, 4, 4\)"):
        training.train(task, training.Recipe(), start=conv_network())


def test_arrays_that_are_still_images_are_told_what_to_do() -> None:
    """Five axes, in every place that takes samples."""
    images, labels = np.zeros((3, 2, 2, 4, 4)), np.zeros(2, dtype=int)
    remedy = r"reshape to \(T, B, -1\), channels first"
    network = conv_network()
    fixed = ltc2hw.quantize(network, "loihi2", np.ones((1, 1, 32)))
    for given, engine in ((network, "float64"), (fixed, "integer"), (fixed, "fast")):
        with pytest.raises(ShapeError, match=remedy):
            ltc2hw.simulate(given, images, engine)
        with pytest.raises(ShapeError, match=remedy):
            ltc2hw.simulate(given, images, engine, lengths=[1, 3])
    with pytest.raises(ShapeError, match=remedy):
        ltc2hw.quantize(network, "loihi2", images)
    for lengths in (None, [1, 3]):
        with pytest.raises(ShapeError, match=remedy):
            ltc2hw.compare(network, fixed, images, labels, lengths=lengths)
    with pytest.raises(ShapeError, match=remedy):
        Split(images, labels)
    batch = pytest.importorskip("ltc2hw.training.batch")
    torch = pytest.importorskip("torch")
    with pytest.raises(ShapeError, match=remedy):
        batch.check_shape(torch.zeros(3, 2, 2, 4, 4), 3, 32)
    assert Dense(np.ones((1, 32))).apply(images.reshape(-1, 32)).shape == (6, 1)
