"""MNIST and Fashion-MNIST by name: the official files, the steps of each form, the splits."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltc2hw.data import DataOptions
from ltc2hw.data.mnist import FASHION, FILES, MNIST, read_mnist
from ltc2hw.data.source import Array
from ltc2hw.errors import DamagedFileError, InvalidValueError, TooLargeError
from ltc2hw.tasks import LazySplit, Task, load_task
from ltc2hw.tasks.images import (
    PERMUTATION_SEED,
    SPIKE_SEEDS,
    ImageSequences,
    Rate,
    Scan,
    Still,
    fresh_spikes,
)
from ltc2hw.tasks.split import Split
from tests.shared_data import shared_data

PARTS = ("train", "validation", "test")
SOME = np.array([0, 7, 4_999, 1_234])


@pytest.fixture(scope="module")
def root() -> Path:
    return shared_data("mnist").parent


@pytest.fixture(scope="module")
def grey(root: Path) -> dict[str, Array]:
    """Images and labels of each part, read without the package."""

    def raw(file: str, start: int) -> Array:
        content = gzip.decompress((root / "mnist" / f"{file}.gz").read_bytes())
        return np.frombuffer(content, np.uint8)[start:]

    images, labels = raw(FILES[0], 16).reshape(-1, 28, 28), raw(FILES[1], 8)
    return {
        "train": images[:55_000],
        "validation": images[55_000:],
        "test": raw(FILES[2], 16).reshape(-1, 28, 28),
        "train labels": labels[:55_000],
        "validation labels": labels[55_000:],
        "test labels": raw(FILES[3], 8),
    }


def of(root: Path, name: str) -> Task:
    return load_task(name, DataOptions(root=root))


def test_every_form_is_the_same_images(root: Path, grey: dict[str, Array]) -> None:
    order = np.random.default_rng(PERMUTATION_SEED).permutation(784)
    forms: dict[str, Callable[[Array], Array]] = {
        "rows": lambda one: one.transpose(1, 0, 2),
        "pixels": lambda one: one.reshape(len(one), 784).T[:, :, None],
        "permuted": lambda one: one.reshape(len(one), 784)[:, order].T[:, :, None],
        "image-3": lambda one: np.stack([one.reshape(len(one), 784)] * 3),
    }
    for form, wanted in forms.items():
        task = of(root, f"mnist-{form}")
        for part in PARTS:
            split = getattr(task, part)
            np.testing.assert_array_equal(split.labels, grey[f"{part} labels"])
            assert split.shape == (task.steps, len(grey[part]), task.inputs)
            x = split.take(SOME).x
            np.testing.assert_array_equal(x, wanted(grey[part][SOME]) / 255)
            assert x.dtype == np.float64


def test_the_order_of_the_permuted_task_never_changes(root: Path) -> None:
    sequences = of(root, "mnist-permuted").train
    assert isinstance(sequences, LazySplit)
    coding = sequences.sequences.coding  # type: ignore[attr-defined]
    assert sorted(coding.order) == list(range(784))
    assert coding.order[:8] == (40, 234, 10, 75, 301, 244, 159, 401)


def test_shapes_and_names(root: Path) -> None:
    task = of(root, "mnist-rate-20")
    assert task.name == of(root, "mnist-rate").name == "mnist-rate-20"
    assert (task.steps, task.inputs, task.outputs) == (20, 784, 10)
    assert (task.shape, task.graded) == ((1, 28, 28), False)
    assert task.classes == tuple("0123456789")
    rows = of(root, "mnist-rows")
    assert (rows.shape, rows.graded, rows.augment) == ((28,), True, None)
    assert len({of(root, f"mnist-{form}").checksum for form in ("rows", "pixels", "rate")}) == 3
    assert of(root, "mnist-rows").checksum == rows.checksum


def test_spikes_are_as_probable_as_pixels_are_light(
    root: Path,
    grey: dict[str, Array],
) -> None:
    """Counts of all pixels of one grey value, within five deviations of a binomial's mean."""
    task = of(root, "mnist-rate-50")
    chosen = np.arange(200)
    x = task.test.take(chosen).x
    assert set(np.unique(x)) == {0.0, 1.0}
    values = grey["test"][chosen].reshape(200, 784)
    for value in np.unique(values).tolist():
        own = x[:, values == value]
        probability = value / 255
        deviation = np.sqrt(own.size * probability * (1 - probability))
        assert abs(own.sum() - own.size * probability) <= 5 * deviation + 1e-9, value


def test_spikes_of_each_step_and_pixel_are_independent() -> None:
    images = np.full((1, 784), 128, np.uint8)
    x = ImageSequences(images, np.array([3]), Rate(400, 0)).array()[:, 0]
    joint = (x[1:] * x[:-1]).mean(), (x[:, 1:] * x[:, :-1]).mean()
    np.testing.assert_allclose(joint, (128 / 255) ** 2, atol=5e-3)


def test_spikes_of_an_image_are_the_same_in_any_company(root: Path) -> None:
    task = of(root, "mnist-rate-5")
    several, alone = task.test.take(SOME).x, task.test.take(SOME[2:3]).x
    np.testing.assert_array_equal(several[:, 2:3], alone)
    np.testing.assert_array_equal(of(root, "mnist-rate-5").test.take(SOME).x, several)
    pieces = LazySplit(task.validation.sequences, task.validation.labels).pieces()  # type: ignore[attr-defined]
    first = next(iter(pieces)).x
    np.testing.assert_array_equal(first[:, 7], task.validation.take(SOME).x[:, 1])
    assert len(set(SPIKE_SEEDS.values())) == 3


def test_spikes_are_those_of_philox() -> None:
    """By NumPy's own generator, which draws 64 bits at a time."""
    images = np.array([[0, 1, 100, 254, 255] + [37] * 779], np.uint8)
    x = ImageSequences(images, np.array([11]), Rate(3, 404)).array()[:, 0]
    key = np.array([404, 11], np.uint64)
    raw = np.random.Philox(key=key).random_raw(3 * 784 // 4).tolist()
    words = [word >> shift & 0xFFFF for word in raw for shift in (0, 16, 32, 48)]
    spikes = [word * 255 < int(images[0, n % 784]) << 16 for n, word in enumerate(words)]
    np.testing.assert_array_equal(x.ravel(), spikes)


def test_training_draws_fresh_spikes_in_every_epoch(root: Path) -> None:
    task = of(root, "mnist-rate-2")
    rng = np.random.default_rng(5)
    first, second = task.epoch(rng).take(SOME), task.epoch(rng).take(SOME)
    fixed = task.train.take(SOME)
    for one, other in ((first, second), (first, fixed), (second, fixed)):
        assert (one.x != other.x).any()
        np.testing.assert_array_equal(one.labels, other.labels)
        assert not one.x[:, :, 0].any()
    again = task.epoch(np.random.default_rng(5)).take(SOME)
    np.testing.assert_array_equal(again.x, first.x)
    with pytest.raises(InvalidValueError, match="images that are coded as spikes"):
        fresh_spikes(Split(np.ones((1, 2, 1)), np.arange(2)), rng)


def test_fashion_is_told_from_mnist_by_its_bytes(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "mnist", tmp_path / "fashion-mnist")
    with pytest.raises(DamagedFileError, match="it is not the file of Fashion-MNIST: its MD5 is"):
        load_task("fashion-rows", DataOptions(root=tmp_path))


def test_debians_fashion_mnist_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LTC2HW_DATA", raising=False)
    if not Path(FASHION.elsewhere[0]).is_dir():
        pytest.skip("no package dataset-fashion-mnist")
    task = load_task("fashion-image-2")
    assert task.classes[9] == "Ankle boot"
    assert np.bincount(task.test.labels).tolist() == [1000] * 10
    assert task.train.take(SOME).x.shape == (2, 4, 784)


def test_files_are_found_below_the_root_and_unpacked(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for file in FILES:
        content = (root / "mnist" / f"{file}.gz").read_bytes()
        (folder / file).write_bytes(gzip.decompress(content))
    found = read_mnist(MNIST, tmp_path)
    assert found.source == str(folder)
    assert (found.training.shape, found.testing.shape) == ((60_000, 784), (10_000, 784))
    (folder / FILES[3]).unlink()
    with pytest.raises(InvalidValueError, match=rf"MNIST/raw; expected {FILES[3]} "):
        read_mnist(MNIST, tmp_path)


def test_the_environment_names_the_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTC2HW_DATA", str(root))
    assert load_task("mnist-rows").train.samples == 55_000


def test_missing_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LTC2HW_DATA", raising=False)
    with pytest.raises(InvalidValueError, match="files of MNIST is looked for nowhere") as caught:
        load_task("mnist-rows")
    text = str(caught.value)
    assert "train-images-idx3-ubyte.gz" in text
    assert MNIST.home in text
    assert "LTC2HW_DATA" in text
    with pytest.raises(InvalidValueError, match=f"not in {tmp_path}/mnist, {tmp_path}/MNIST/raw"):
        load_task("mnist-rows", DataOptions(root=tmp_path))
    with pytest.raises(InvalidValueError, match=r"not in .*/fashion-mnist"):
        load_task("fashion-rows", DataOptions(root=tmp_path))
    with pytest.raises(
        InvalidValueError, match="root of data is nowhere; expected a folder that exists"
    ):
        load_task("mnist-rows", DataOptions(root="nowhere"))
    monkeypatch.setenv("LTC2HW_DATA", "nowhere")
    with pytest.raises(InvalidValueError, match="LTC2HW_DATA is nowhere"):
        load_task("fashion-rows")


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    options = DataOptions(root=tmp_path)
    for name, message in (
        ("mnist-rows-5", "task is mnist-rows-5; expected mnist-rows without a number"),
        ("mnist-rate-0", "steps of mnist-rate is 0; expected 1 to 10000"),
        ("mnist-rate-10001", "steps of mnist-rate is 10001"),
        ("mnist-columns", "one of .*mnist-rows"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            load_task(name, options)
    with pytest.raises(InvalidValueError, match="layout of data is 'batch-first'; expected noth"):
        load_task("mnist-rows", DataOptions(root=tmp_path, layout="batch-first"))
    with pytest.raises(InvalidValueError, match=r"root of data is .*; expected none, as a path"):
        load_task(str(tmp_path), options)


def test_a_lazy_split_is_a_split() -> None:
    """Against a split of the same samples that were all made at once."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 784), dtype=np.uint8)
    labels = np.arange(6) % 3
    for coding in (Scan(28), Still(2), Rate(4, 1)):
        lazy = LazySplit(ImageSequences(images, np.arange(6), coding), labels)
        plain = Split(lazy.x, labels)
        assert (lazy.shape, lazy.samples, repr(lazy)) == (plain.shape, 6, repr(plain))
        chosen = np.array([4, 0, 4])
        np.testing.assert_array_equal(lazy.take(chosen).x, plain.take(chosen).x)
        np.testing.assert_array_equal(lazy.take(chosen).labels, plain.take(chosen).labels)
        np.testing.assert_array_equal(np.concatenate([p.x for p in lazy.pieces()], 1), plain.x)
        assert lazy.labelled(labels[::-1]).labels.tolist() == labels[::-1].tolist()
        if coding.spikes:
            lazy.require_spikes()
        else:
            with pytest.raises(InvalidValueError, match="sample of a spiking input"):
                lazy.require_spikes()
        assert lazy._repr_html_() == plain._repr_html_()


def test_a_lazy_split_refuses_to_be_made_whole_where_that_is_too_much() -> None:
    images = np.zeros((100, 784), np.uint8)
    split = LazySplit(ImageSequences(images, np.arange(100), Still(10_000)), np.zeros(100, int))
    with pytest.raises(TooLargeError, match=r"take fewer of them: split.take\(...\)"):
        _ = split.x
    assert sum(piece.samples for piece in split.pieces()) == 100
