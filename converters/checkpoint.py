"""Arrays by name from checkpoint files, without running any code that they may hold."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import DamagedFileError, MissingExtraError

Array = npt.NDArray[Any]

MAXIMUM_BYTES = 2 << 30
"""Most bytes that a file may unfold to."""


def load_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read ``.npz``, or what ``torch.save`` wrote: a state dict, bare or under ``state_dict``.

    Raises:
        DamagedFileError: for anything but arrays by name, or more of them than 2 GiB.
        MissingExtraError: if torch is needed and not installed.
        OSError: if there is no such file.
    """
    file = Path(path)
    with file.open("rb"):
        pass
    unfolded = file.stat().st_size
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            unfolded = sum(entry.file_size for entry in archive.infolist())
    if unfolded > MAXIMUM_BYTES:
        raise DamagedFileError(path, f"it unfolds to {unfolded} bytes")
    return _numpy_arrays(file) if file.suffix == ".npz" else _torch_arrays(file)


def _numpy_arrays(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as raw:
            archive = np.load(raw, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise DamagedFileError(path, "it holds one array without a name")
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedFileError(path, f"no arrays of NumPy: {_one_line(error)}") from error


def _torch_arrays(path: Path) -> dict[str, Array]:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtraError("torch", "reading torch files", "or save arrays as .npz") from error
    from pickle import UnpicklingError

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, UnpicklingError) as error:
        raise DamagedFileError(path, f"no tensors of torch: {_one_line(error)}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise DamagedFileError(path, "it holds no tensors by name")
    if not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise DamagedFileError(path, "it holds other things than tensors")
    return {str(name): value.numpy() for name, value in content.items()}


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
