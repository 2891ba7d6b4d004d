"""The part of pickle that ``torch.save`` writes, as a small machine of our own that runs no code.

A pickle names functions and has them called. Here a call is looked up in a table of the few that
build tensors and dictionaries; whatever else a file calls becomes a :class:`Foreign` that only
remembers its name. Nothing is imported, and no tensor gets memory here.

Source: Python's ``pickletools``; PyTorch 2.5, ``torch/_utils.py`` and ``torch/serialization.py``.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

STORAGE_TYPES: Mapping[str, str] = {
    "torch.FloatStorage": "float32",
    "torch.DoubleStorage": "float64",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
    "torch.ComplexFloatStorage": "complex64",
    "torch.ComplexDoubleStorage": "complex128",
    "torch.storage.UntypedStorage": "uint8",
}
"""Type of the numbers in a storage, by the name of its class."""

MOST_DIMENSIONS = 32
LARGEST = 1 << 48
"""Beyond all numbers of a tensor's layout."""

MOST_OPERATIONS = 1 << 20
"""Longest pickle that is followed: about 40,000 tensors."""


@dataclass(frozen=True)
class Global:
    """A function or class that a file names."""

    name: str


@dataclass(frozen=True)
class Foreign:
    """Something that only the code of a named function or class could make."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A block of numbers that a file holds apart: ``count`` of ``dtype`` under ``key``."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class Layout:
    """A tensor: where its numbers lie in a storage, counted in items of ``dtype``."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


def load(file: BytesIO) -> tuple[Any, dict[str, Storage]]:
    """The object that a pickle describes, of containers, plain values and the classes above.

    Also returns all storages that it refers to, by their key.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: for a pickle that makes no sense.
    """
    machine = _Machine()
    return machine.run(file), machine.storages


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self, file: BytesIO) -> Any:
        for _ in range(MOST_OPERATIONS):
            operation = OPERATIONS.get(file.read(1))
            if operation is None:
                raise ValueError("its pickle has no end, or an unknown operation")
            if operation.name == "STOP":
                return self.pop()
            act = ACTIONS.get(operation.name)
            if act is None:
                # Before its argument is looked at, which might be a number of many digits.
                raise ValueError(f"operation {operation.name} is none of torch.save's")
            act(self, operation.arg.reader(file) if operation.arg else None)
        raise ValueError(f"its pickle has more than {MOST_OPERATIONS} operations")

    def pop(self) -> Any:
        """The topmost object, which must not lie below a mark."""
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise ValueError("its pickle takes more than it put")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        """All objects above the last mark."""
        start = self.marks.pop()
        items, self.stack[start:] = self.stack[start:], []
        return items

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def join(self, count: int) -> None:
        """A tuple of the topmost objects."""
        items = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    def fill_list(self, items: list[Any]) -> None:
        """Append to the list below."""
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)
        elif not isinstance(self.stack[-1], Foreign):
            raise TypeError("it appends to something else than a list")

    def fill_dict(self, items: list[Any]) -> None:
        """Set entries of the dictionary below; keys are texts or integers."""
        if len(items) % 2:
            raise ValueError("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(self.stack[-1], dict) and isinstance(key, (str, int)):
                self.stack[-1][key] = value
            elif not isinstance(self.stack[-1], Foreign):
                raise TypeError("it sets an entry of something else than a dictionary")

    def stack_global(self) -> None:
        """A function or class by the two texts on the stack."""
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("the name of a function is no text")
        self.push(Global(f"{module}.{name}"))

    def call(self) -> None:
        """Build what a call builds, or remember who would have been called."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, (Global, Foreign)) or not isinstance(arguments, tuple):
            raise TypeError("it calls something that is no function")
        build = BUILDERS.get(function.name) if isinstance(function, Global) else None
        self.push(Foreign(function.name) if build is None else build(*arguments))

    def new(self, with_names: bool) -> None:
        """An object of a class, with no constructor called."""
        if with_names:
            self.pop()
        self.call()

    def build(self) -> None:
        """The attributes of an object; none of ours has any."""
        self.pop()
        if not isinstance(self.stack[-1], (dict, Foreign)):
            raise TypeError("it sets attributes of something that has none")

    def storage(self) -> None:
        """A storage by ("storage", class, key, device, count), as torch names them."""
        named = self.pop()
        if not isinstance(named, tuple) or len(named) < 2 or not isinstance(named[1], Global):
            raise TypeError("it refers to something else than a storage")
        name = named[1].name
        if named[0] == "module" or name not in STORAGE_TYPES:
            # The class of a module, with its source; or numbers of a type that we have not.
            self.push(Foreign(name))
            return
        if named[0] != "storage" or len(named) not in (5, 6) or named[5:] not in ((), (None,)):
            raise ValueError("it refers to something else than a whole storage")
        key, count = named[2], named[4]
        if not isinstance(key, str) or type(count) is not int or not 0 <= count < LARGEST:
            raise ValueError("a storage has no key or no size")
        storage = Storage(key, STORAGE_TYPES[name], count)
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError("two storages have the same key")
        self.push(storage)


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any, dtype: str = ""
) -> Layout | Foreign:
    """``_rebuild_tensor_v2``: requires_grad and hooks say nothing of the numbers."""
    if isinstance(storage, Foreign):
        return storage
    if not isinstance(storage, Storage):
        raise TypeError("a tensor without a storage")
    if len(rest) > 2 and rest[2]:
        return Foreign("torch.conj or torch.neg")
    numbers = (offset, *shape, *strides)
    if any(type(number) is not int or not 0 <= number < LARGEST for number in numbers):
        raise ValueError("a tensor's layout is no layout")
    if len(shape) != len(strides) or len(shape) > MOST_DIMENSIONS:
        raise ValueError("a tensor's layout has two numbers of dimensions, or too many")
    return Layout(storage, offset, tuple(shape), tuple(strides), dtype or storage.dtype)


def _untyped_tensor(*arguments: Any) -> Layout | Foreign:
    """``_rebuild_tensor_v3``: the type stands behind the hooks."""
    if len(arguments) < 7 or not isinstance(arguments[6], Global):
        raise TypeError("a tensor without a type")
    name = arguments[6].name.removeprefix("torch.")
    return _tensor(*arguments[:6], *arguments[7:], dtype=name)


def _parameter(data: Any, *_: Any) -> Any:
    """``_rebuild_parameter``: a parameter is its data."""
    if not isinstance(data, (Layout, Foreign)):
        raise TypeError("a parameter without data")
    return data


def _subclass(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """``_rebuild_from_type_v2``: a tensor with attributes, or of a class of its own."""
    plain = (Global("torch.Tensor"), Global("torch.nn.parameter.Parameter"))
    if kind not in plain or not isinstance(function, Global):
        return Foreign(kind.name if isinstance(kind, Global) else "a class of tensors")
    build = BUILDERS.get(function.name)
    return Foreign(function.name) if build is None else build(*arguments)


def _dictionary(*pairs: Any) -> dict[Any, Any]:
    if pairs:
        raise ValueError("an OrderedDict that is not built entry by entry")
    return {}


BUILDERS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": _dictionary,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _untyped_tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _subclass,
}
"""What is built for the functions that files may call."""

OPERATIONS = {operation.code.encode("latin-1"): operation for operation in pickletools.opcodes}
"""All operations of pickle by their byte."""

Action = Callable[[_Machine, Any], object]

PLAIN = (
    "BINFLOAT", "BININT", "BININT1", "BININT2", "BINBYTES", "BINBYTES8", "BINSTRING", "BINUNICODE",
    "BINUNICODE8", "LONG1", "LONG4", "SHORT_BINBYTES", "SHORT_BINSTRING", "SHORT_BINUNICODE",
)  # fmt: skip
"""Operations that put their argument on the stack."""

ACTIONS: Mapping[str, Action] = {
    **dict.fromkeys(PLAIN, _Machine.push),
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_SET": lambda machine, _: machine.push(Foreign("set")),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
    "TUPLE1": lambda machine, _: machine.join(1),
    "TUPLE2": lambda machine, _: machine.join(2),
    "TUPLE3": lambda machine, _: machine.join(3),
    "APPEND": lambda machine, _: machine.fill_list([machine.pop()]),
    "APPENDS": lambda machine, _: machine.fill_list(machine.pop_mark()),
    "ADDITEMS": lambda machine, _: machine.fill_list(machine.pop_mark()),
    "SETITEM": lambda machine, _: machine.fill_dict([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.fill_dict(machine.pop_mark()),
    "POP": lambda machine, _: machine.pop(),
    "BINGET": lambda machine, number: machine.push(machine.memo[number]),
    "LONG_BINGET": lambda machine, number: machine.push(machine.memo[number]),
    "BINPUT": lambda machine, number: machine.memo.update({number: machine.stack[-1]}),
    "LONG_BINPUT": lambda machine, number: machine.memo.update({number: machine.stack[-1]}),
    "MEMOIZE": lambda machine, _: machine.memo.update({len(machine.memo): machine.stack[-1]}),
    "GLOBAL": lambda machine, name: machine.push(Global(name.replace(" ", ".", 1))),
    "STACK_GLOBAL": lambda machine, _: machine.stack_global(),
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.new(with_names=False),
    "NEWOBJ_EX": lambda machine, _: machine.new(with_names=True),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.storage(),
}
