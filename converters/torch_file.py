"""What ``torch.save`` wrote, without torch and without running any of it.

Since release 1.6 that is a zip file with a pickle and one member per storage; before, and on
request, pickles with the storages behind them. TorchScript archives hold programs and are refused:
torch up to 2.5.1 runs them even with ``weights_only=True`` (CVE-2025-32434), which is one reason
why it is not asked to read anything here.

Source: PyTorch 2.5, ``torch/serialization.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.torch_pickle import Foreign, Global, Layout, Storage, load
from ltc2hw.errors import DamagedFileError
from ltc2hw.files.archive import (
    DAMAGE,
    MAXIMUM_BYTES,
    Archive,
    StrPath,
    one_line,
    read_bytes,
    shown,
)
from ltc2hw.numbers.capacity import require_capacity

Array = npt.NDArray[Any]
Bytes = Callable[[Storage], memoryview]

SAVE_REMEDY = "save module.state_dict()"

TYPES: Mapping[str, str] = {
    "bool": "u1",
    **{f"uint{8 * size}": f"u{size}" for size in (1, 2, 4, 8)},
    **{f"int{8 * size}": f"i{size}" for size in (1, 2, 4, 8)},
    **{f"float{8 * size}": f"f{size}" for size in (2, 4, 8)},
    **{f"complex{8 * size}": f"c{size}" for size in (8, 16)},
    "bfloat16": "u2",
}
"""How NumPy sees the numbers of a tensor."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
LITTLE_ENDIAN = "little"


def read_tensors(path: StrPath, most: int = MAXIMUM_BYTES) -> dict[str, Array]:
    """The tensors of a state dict, bare or under ``state_dict``, as arrays by name.

    All types are exact: bfloat16 becomes float32, parameters are their data, views are copied.

    Raises:
        DamagedFileError: for anything but tensors by name, naming the first other thing.
        TooLargeError: if the tensors have more numbers than the file and than a stated limit.
        OSError: if the file cannot be opened.
    """
    raw = read_bytes(path)
    if raw[:2] == b"PK":
        content, numbers, order = _zip_content(Archive(raw, path, most))
    else:
        content, numbers, order = _legacy_content(raw, path)
    tensors = _state_dict(content, path)
    total = sum(_count(layout) for layout in tensors.values())
    require_capacity(f"numbers in the tensors of {path}", total, len(raw))
    found = {}
    for name, layout in tensors.items():
        try:
            found[name] = _array(layout, numbers(layout.storage), order)
        except DAMAGE as error:
            raise DamagedFileError(path, f"tensor {shown(name)}: {one_line(error)}") from error
    return found


def _zip_content(archive: Archive) -> tuple[Any, Bytes, str]:
    """The pickled object, a way to its storages, and the order of their bytes."""
    tops = [name.partition("/")[0] for name in archive.sizes if name.count("/") == 1]
    roots = {top for top in tops if f"{top}/data.pkl" in archive.sizes}
    for name in archive.sizes:
        inside = name.partition("/")[2]
        if inside == "constants.pkl" or inside.startswith("code/"):
            problem = "it is a TorchScript archive, which holds a program"
            raise DamagedFileError(archive.path, problem, SAVE_REMEDY)
    if len(roots) != 1:
        raise DamagedFileError(archive.path, "it has no data.pkl, as files of torch.save do")
    root = roots.pop()
    order = LITTLE_ENDIAN
    if f"{root}/byteorder" in archive.sizes:
        order = archive.read(f"{root}/byteorder").decode("latin-1")
    content, _ = _unpickled(BytesIO(archive.read(f"{root}/data.pkl")), archive.path)
    members: dict[str, bytes] = {}

    def numbers(storage: Storage) -> memoryview:
        member = f"{root}/data/{storage.key}"
        if member not in members:
            members[member] = archive.read(member)
        return memoryview(members[member])

    return content, numbers, order


def _legacy_content(raw: bytes, path: StrPath) -> tuple[Any, Bytes, str]:
    """As :func:`_zip_content`, of five pickles and the storages behind them."""
    file = BytesIO(raw)
    magic, _ = _unpickled(file, path)
    foreign = DamagedFileError(path, "torch.save did not write it", SAVE_REMEDY)
    if magic != LEGACY_MAGIC:
        raise foreign
    protocol, system, (content, storages), keys = (
        _unpickled(file, path)[0],
        _unpickled(file, path)[0],
        _unpickled(file, path),
        _unpickled(file, path)[0],
    )
    if protocol != LEGACY_PROTOCOL or not isinstance(system, dict) or not isinstance(keys, list):
        raise foreign
    order = LITTLE_ENDIAN if system.get("little_endian", True) else "big"
    place, parts = file.tell(), {}
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        size = raw[place : place + 8]
        if storage is None or key in parts or int.from_bytes(size, "little") != storage.count:
            raise DamagedFileError(path, "its storages are not those of its tensors")
        start, place = place + 8, place + 8 + storage.count * _item(storage.dtype)
        parts[key] = memoryview(raw)[start:place]
    if place != len(raw):
        raise DamagedFileError(path, f"its storages end at byte {place} of {len(raw)}")
    return content, lambda storage: parts[storage.key], order


def _unpickled(file: BytesIO, path: StrPath) -> tuple[Any, dict[str, Storage]]:
    try:
        return load(file)
    except DAMAGE as error:
        problem = f"no tensors of torch: {one_line(error)}"
        raise DamagedFileError(path, problem, SAVE_REMEDY) from error


def _state_dict(content: Any, path: StrPath) -> dict[str, Layout]:
    """The layouts of tensors by name."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        problem = f"it holds no tensors by name, but {_called(content)}"
        raise DamagedFileError(path, problem, SAVE_REMEDY)
    for name, value in content.items():
        if not isinstance(name, str):
            raise DamagedFileError(path, f"entry {name} has no name", SAVE_REMEDY)
        if not isinstance(value, Layout):
            problem = f"entry {shown(name)} is no dense tensor, but {_called(value)}"
            raise DamagedFileError(path, problem, "save dense tensors alone, by name")
        if value.dtype not in TYPES:
            problem = f"entry {shown(name)} has numbers of type {shown(value.dtype)}"
            raise DamagedFileError(path, problem, "convert it to float32 before saving")
    return content


def _called(value: Any) -> str:
    """What errors call something that a pickle holds."""
    if isinstance(value, Foreign):
        return f"what only {shown(value.name)} could make"
    if isinstance(value, Global):
        return f"the name {shown(value.name)}"
    return "a tensor" if isinstance(value, Layout) else f"a {type(value).__name__}"


def _count(layout: Layout) -> int:
    count = 1
    for number in layout.shape:
        count *= number
    return count


def _item(dtype: str) -> int:
    return int(TYPES[dtype][1:])


def _array(layout: Layout, raw: memoryview, order: str) -> Any:
    """The numbers of a tensor; ValueError where they lie outside of its storage."""
    storage, item = layout.storage, _item(layout.dtype)
    if len(raw) != storage.count * _item(storage.dtype):
        raise ValueError(f"{len(raw)} bytes in a storage of {storage.count} numbers")
    if _count(layout):
        steps = zip(layout.shape, layout.strides, strict=True)
        last = layout.offset + sum((number - 1) * stride for number, stride in steps)
        if (last + 1) * item > len(raw):
            raise ValueError(f"it ends at byte {(last + 1) * item} of {len(raw)} of its storage")
        kind = f"{'>' if order != LITTLE_ENDIAN else '<'}{TYPES[layout.dtype]}"
        flat = np.frombuffer(raw, kind, len(raw) // item)
        strides = [stride * item for stride in layout.strides]
        view = np.lib.stride_tricks.as_strided(flat[layout.offset :], layout.shape, strides)
        values = view.astype(view.dtype.newbyteorder("="))
    else:
        values = np.zeros(layout.shape, TYPES[layout.dtype])
    if layout.dtype == "bool":
        return values != 0
    if layout.dtype == "bfloat16":
        # The upper half of a float32.
        values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return values
