"""Torch's tensors as arrays; torch itself stays out of the core."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError


def is_tensor(values: object) -> bool:
    """Whether this is one of torch's tensors.

    >>> is_tensor([1.0])
    False
    """
    return hasattr(values, "detach") and hasattr(values, "cpu")


def tensor_as_array(name: str, values: Any) -> npt.NDArray[Any]:
    """Return the numbers of a tensor on any device, also of one with a gradient.

    Reals become float64, because NumPy does not have all of torch's types.

    Raises:
        InvalidValueError: for a sparse tensor, or one of no numbers.

    >>> from importlib.util import find_spec
    >>> if find_spec("torch"):
    ...     import torch
    ...
    ...     ones = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    ...     assert tensor_as_array("kernel", ones).tolist() == [1.0, 1.0]
    """
    if str(values.layout) != "torch.strided":
        raise InvalidValueError(name, f"a tensor of layout {values.layout}", "a dense one")
    try:
        tensor = values.detach().cpu()
        return np.asarray((tensor.double() if tensor.is_floating_point() else tensor).numpy())
    except (NotImplementedError, RuntimeError, TypeError) as error:
        what = f"a tensor of type {values.dtype} on {values.device}"
        raise InvalidValueError(name, what, "a tensor of numbers") from error
