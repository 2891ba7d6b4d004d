"""Files of convolutions: what is kept, in which version, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import DamagedFileError
from ltc2hw.files.bundle import load, save
from ltc2hw.files.hdf5 import read_tree
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.fixed import FixedNetwork
from tests.convolution.test_networks import gated_network
from tests.files.test_bundle import Edit, rewritten, set_entry
from tests.random_networks import random_network

KERNEL = ("content", "projections", "0", "weights")
SIZES = np.int64


@pytest.fixture(scope="module")
def fixed() -> FixedNetwork:
    return ltc2hw.quantize(gated_network(), "loihi2")


def test_networks_of_images_are_schema_4_others_stay_2(fixed: FixedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    matrices = random_network(np.random.default_rng(0))
    for network, version in ((fixed, 4), (without_kernels(fixed), 4), (matrices, 2)):
        save(network, path)
        assert read_tree(path)["schema_version"] == version
        assert load(path) == network


def test_what_the_page_says_is_in_the_file(fixed: FixedNetwork, tmp_path: Path) -> None:
    save(fixed, tmp_path / "net.h5")
    tree: Any = read_tree(tmp_path / "net.h5")
    content = tree["content"]
    assert content["populations"]["0"]["shape"].tolist() == [2, 9, 8]
    assert "shape" not in content["populations"]["3"]
    weights = content["projections"]["0"]["weights"]
    assert set(weights) == {
        "type", "kernel", "sources", "stride", "padding", "dilation", "groups",
    }  # fmt: skip
    assert weights["kernel"].shape == (4, 2, 3, 3)
    assert weights["kernel"].dtype == np.int64
    assert weights["padding"].tolist() == [[1, 1], [1, 1]]
    assert weights["stride"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_entry(*KERNEL, "kernel", value=np.zeros((4, 2), SIZES)), "shape of a kernel is (4"),
        (set_entry(*KERNEL, "kernel", value=np.zeros((4, 2, 0, 3), SIZES)), "shape of a kernel"),
        (set_entry(*KERNEL, "kernel", value=np.zeros((4, 3, 3, 3), SIZES)), "input channels"),
        (set_entry(*KERNEL, "kernel", value=np.zeros((4, 2, 3, 99), SIZES)), "one that fits"),
        (set_entry(*KERNEL, "kernel", value=np.zeros((4, 2, 3, 3), np.int32)), "not kept as"),
        (set_entry(*KERNEL, "kernel", value=np.full((4, 2, 3, 3), 1000)), "expected -128 to 127"),
        (set_entry(*KERNEL, "kernel", value=np.zeros((4, 2, 3, 3))), "expected integers"),
        (set_entry(*KERNEL, "kernel", value=np.zeros((5, 2, 3, 3), SIZES)), "shape of one"),
        (set_entry(*KERNEL, "padding", value=np.array([[-1, 1], [1, 1]])), "padding of a conv"),
        (set_entry(*KERNEL, "padding", value=np.array([[0, 0], [1, 1]])), "shape of one"),
        (set_entry(*KERNEL, "padding", value=np.full((2, 2), 1 << 40)), "expected at most"),
        (set_entry(*KERNEL, "padding", value=np.full((2, 2), 1 << 62)), "targets of a convolution"),
        (set_entry(*KERNEL, "padding", value=np.ones((2, 2, 2), SIZES)), "padding of a conv"),
        (set_entry(*KERNEL, "padding", value=np.ones((2, 3), SIZES)), "padding of a convolution"),
        (set_entry(*KERNEL, "padding", value=np.ones((2, 2))), "Conv.padding is not kept as int64"),
        (set_entry(*KERNEL, "padding", value=np.zeros((0, 2), SIZES)), "padding of a convolution"),
        (set_entry(*KERNEL, "padding", value=3), "Conv.padding is not kept as int64 array"),
        (set_entry(*KERNEL, "stride", value=np.array([0, 1])), "stride of a convolution"),
        (set_entry(*KERNEL, "stride", value=np.array([[1, 1]])), "stride of a convolution"),
        (set_entry(*KERNEL, "stride", value=np.array([1, 1, 1])), "stride of a convolution"),
        (set_entry(*KERNEL, "stride", value=np.array(1)), "array stride has no dimensions"),
        (set_entry(*KERNEL, "dilation", value=np.array([-1, 1])), "dilation of a convolution"),
        (set_entry(*KERNEL, "dilation", value=np.array([9, 1])), "one that fits"),
        (set_entry(*KERNEL, "groups", value=3), "input channels"),
        (set_entry(*KERNEL, "groups", value=0), "groups of a convolution"),
        (set_entry(*KERNEL, "groups", value=-1), "groups of a convolution"),
        (set_entry(*KERNEL, "groups", value=True), "Conv.groups is not kept as integer"),
        (set_entry(*KERNEL, "sources", value=np.array([2, 9])), "sources of a convolution"),
        (set_entry(*KERNEL, "sources", value=np.array([2, 8, 9])), "shape of input"),
        (set_entry(*KERNEL, "sources", value=np.array([2, -9, 8])), "sources of a convolution"),
        (set_entry(*KERNEL, "sources", value=np.array([2, 1 << 30, 1 << 30])), "expected at most"),
        (set_entry(*KERNEL, "sources", value=np.array([[2, 9, 8]])), "sources of a convolution"),
        (set_entry(*KERNEL, "surplus", value=1), "missing or unknown: surplus"),
        (set_entry("content", "populations", "0", "shape", value=np.array([2, 8, 9])), "shape of"),
        (set_entry("content", "populations", "0", "shape", value=np.array([2, 9])), "shape of inp"),
        (set_entry("content", "populations", "0", "shape", value=np.array([[144]])), "shape of"),
        (set_entry("content", "populations", "0", "shape", value=np.array([0, 0, 8])), "shape of"),
        (set_entry("content", "populations", "0", "shape", value=np.ones(3)), "not kept as int64"),
        (set_entry("content", "populations", "0", "shape", value=np.ones(9, SIZES)), "shape of"),
        (set_entry("content", "populations", "1", "shape", value=np.array([288])), "shape of one"),
    ],
)  # fmt: skip
def test_wrong_kernels_and_shapes_are_refused(
    fixed: FixedNetwork, edit: Edit, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.h5"
    save(fixed, path)
    rewritten(path, edit)
    with pytest.raises(DamagedFileError) as caught:
        load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
