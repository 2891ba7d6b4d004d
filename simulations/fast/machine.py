"""Machine code of loops: compiled once per structure, kept where Numba keeps its own."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from threading import Lock
from typing import Any

import llvmlite
from llvmlite import ir
from numba.core import compiler_lock, registry, types
from numba.extending import intrinsic

from ltc2hw.compilation.caching import cache_folder, tell_uncached
from ltc2hw.compilation.llvm import element_pointer
from ltc2hw.compilation.sources import SOURCES
from ltc2hw.compilation.telling import tell_compiling
from ltc2hw.simulations.fast.kinds import Types
from ltc2hw.simulations.fast.loops import Loop
from ltc2hw.simulations.fast.vectorized import write
from ltc2hw.simulations.fast.writer import LENGTHS

global_lock: Any = compiler_lock.global_compiler_lock  # without types of its own
cpu_target: Any = registry.cpu_target

MOST_KEPT = 1000
"""Loops whose machine code is kept, some 10 kilobytes each."""

DIGEST = 32
"""Bytes of the digest at the beginning of a kept file."""

_LOCK = Lock()
LIBRARIES: dict[str, Any] = {}
"""Machine code stays as long as the process: plans hold nothing but addresses."""


def address_of(loop: Loop, types: Types) -> int:
    """Address of the machine code of a loop."""
    codegen = cpu_target.target_context.codegen()
    text = f"{types}\n{loop}\n{codegen.magic_tuple()} {llvmlite.__version__} {SOURCES}"
    name = "loop_" + hashlib.sha256(text.encode()).hexdigest()
    with _LOCK, global_lock:
        library = LIBRARIES.get(name)
        if library is None:
            library = _kept(codegen, name) or _compiled(codegen, loop, types, name)
            LIBRARIES[name] = library
        address: int = library.get_pointer_to_function(name)
    return address


def _compiled(codegen: Any, loop: Loop, types: Types, name: str) -> Any:
    tell_compiling()
    library = codegen.create_library(name)
    module = library.create_ir_module(name)
    write(loop, types, module, name)
    library.enable_object_caching()
    library.add_ir_module(module)
    library.finalize()
    folder = cache_folder()
    if folder is not None:
        _, _, parts = library.serialize_using_object_code()
        _keep(folder / f"{name}.code", parts)
    return library


def _keep(path: Path, parts: tuple[bytes, bytes]) -> None:
    """Write machine code and what describes it, behind their digest; forget the oldest files."""
    code, described = parts
    content = len(code).to_bytes(8, "big") + code + described
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        draft.write_bytes(hashlib.sha256(content).digest() + content)
        draft.replace(path)
        kept = sorted(path.parent.glob(f"*{path.suffix}"), key=lambda file: file.stat().st_mtime)
        for old in kept[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        tell_uncached()


def _kept(codegen: Any, name: str) -> Any:
    """Machine code of an earlier process, or None; damaged files count as none."""
    folder = cache_folder()
    try:
        whole = b"" if folder is None else (folder / f"{name}.code").read_bytes()
    except OSError:
        return None
    content = whole[DIGEST:]
    if not content or hashlib.sha256(content).digest() != whole[:DIGEST]:
        return None
    length = int.from_bytes(content[:8], "big")
    parts = content[8 : 8 + length], content[8 + length :]
    return codegen.unserialize_library((name, "object", parts))


def _call_loop(typing_context: Any, address: Any, arrays: Any, firsts: Any, lengths: Any) -> Any:
    """Call the machine code at an address.

    ``arrays`` are those of :data:`~ltc2hw.simulations.fast.writer.ARRAYS`, ``firsts`` where
    each begins, ``lengths`` those of :data:`~ltc2hw.simulations.fast.writer.LENGTHS`.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, arrays, firsts, lengths = arguments
        passed = []
        for index, array_type in enumerate(signature.args[1]):
            array = builder.extract_value(arrays, index)
            first = builder.extract_value(firsts, index)
            passed.append(element_pointer(context, builder, array_type, array, first))
        passed += [builder.extract_value(lengths, index) for index in range(len(LENGTHS))]
        form = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(builder.inttoptr(address, form.as_pointer()), passed)
        return context.get_dummy_value()

    return types.void(types.uint64, arrays, firsts, lengths), codegen


call_loop: Any = intrinsic(_call_loop)
