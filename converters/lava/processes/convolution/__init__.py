"""Convolutions: a model of Lava's own ``Conv`` that knows images of any size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.type import LavaPyType
from lava.proc.conv.models import PyConvModelFixed

Sizes = npt.NDArray[np.int64]


class WideConvModel(PyConvModelFixed):
    """Lava's own model, with sizes in 64 bits where it has 8.

    All arithmetic is inherited. In 8 bits, sizes beyond 127 are cut off or, under NumPy 2, refused
    as soon as they meet an image or a number of channels beyond 127.
    """

    kernel_size: Sizes = LavaPyType(np.ndarray, np.int64)
    stride: Sizes = LavaPyType(np.ndarray, np.int64)
    padding: Sizes = LavaPyType(np.ndarray, np.int64)
    dilation: Sizes = LavaPyType(np.ndarray, np.int64)
    groups: Sizes = LavaPyType(np.ndarray, np.int64)
