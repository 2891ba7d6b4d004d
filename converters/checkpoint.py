"""Arrays by name from checkpoint files, without running any code that they may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from ltc2hw.converters.torch_file import read_tensors
from ltc2hw.errors import DamagedFileError
from ltc2hw.files import archive
from ltc2hw.files.archive import StrPath, shown
from ltc2hw.files.npz import read_npz
from ltc2hw.numbers.capacity import require_capacity

Array = npt.NDArray[Any]

MAXIMUM_BYTES = archive.MAXIMUM_BYTES
"""Most bytes that a file may unfold to, unless it is longer itself."""


def load_arrays(path: StrPath) -> dict[str, Array]:
    """Read ``.npz``, or what ``torch.save`` wrote: a state dict, bare or under ``state_dict``.

    Raises:
        DamagedFileError: for anything but arrays of numbers by name, or if they unfold to more than
            the file's own length and 128 MiB.
        TooLargeError: if there are more numbers than bytes in the file, and than 2^24.
        OSError: if there is no such file.
    """
    if Path(path).suffix != ".npz":
        return read_tensors(path, MAXIMUM_BYTES)
    arrays: dict[str, Array] = {}
    for name, values in read_npz(path, MAXIMUM_BYTES).items():
        if isinstance(values, str):
            raise DamagedFileError(path, f"array {shown(name)} is a text")
        arrays[name] = values
    total = sum(values.size for values in arrays.values())
    require_capacity(f"numbers in the arrays of {path}", total, Path(path).stat().st_size)
    return arrays
