"""C compilers of this machine, and microcontrollers in an instruction-level emulator."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

RETURN = 0x0FFF0000
"""Address that a called function returns to; nothing lies there."""

STACK_TOP, STACK_BYTES = 0x30010000, 0x10000
FLASH, RAM, MEMORY_BYTES = 0x08000000, 0x20000000, 0x1000000
PAINT = 0xA5

LINKER_SCRIPT = f"""\
MEMORY {{
    flash : ORIGIN = {FLASH}, LENGTH = {MEMORY_BYTES}
    ram : ORIGIN = {RAM}, LENGTH = {MEMORY_BYTES}
}}
SECTIONS {{
    .text : {{ *(.text*) }} > flash
    .rodata : {{ *(.rodata* .srodata*) }} > flash
    .data : {{ *(.data* .sdata*) }} > ram
    .bss : {{ *(.bss* .sbss* COMMON) }} > ram
    /DISCARD/ : {{ *(.ARM.exidx* .comment .eh_frame*) }}
}}
"""


@dataclass(frozen=True)
class Machine:
    """A processor: what the compiler and the emulator call it."""

    name: str
    target: str
    processor: str

    @property
    def is_arm(self) -> bool:
        return self.target.startswith("thumb")


MACHINES = (
    Machine("Cortex-M0", "thumb-freestanding-eabi", "cortex_m0"),
    Machine("Cortex-M4", "thumb-freestanding-eabi", "cortex_m4"),
    Machine("RV32IMC", "riscv32-freestanding-none", "generic_rv32+m+c"),
)


def compilers() -> dict[str, list[str]]:
    """Commands of the C compilers that are installed, by name."""
    found = {name: [name] for name in ("gcc", "clang") if shutil.which(name)}
    if "clang" not in found and find_spec("ziglang") is not None:
        # Its clang checks for undefined behaviour unless told otherwise.
        found["clang"] = [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"]
    return found


COMPILERS = compilers()


def compile_c(command: Sequence[str], folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [*command, "-std=c99", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def cross_compile(machine: Machine, folder: Path, sources: Sequence[str], *flags: str) -> Image:
    """Build sources without any library; ``-e NAME`` in the flags keeps a function."""
    (folder / "link.ld").write_text(LINKER_SCRIPT)
    out = f"{machine.name}.elf"
    compile_c(
        [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"],
        folder,
        *("-target", machine.target, f"-mcpu={machine.processor}", "-ffreestanding"),
        *("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-Wl,-T,link.ld", "-g"),
        *flags,
        *sources,
        *("-o", out),
    )
    return Image((folder / out).read_bytes())


class Image:
    """A linked program: what lies where."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        (first,) = struct.unpack_from("<I", content, 32)
        size, count, names_index = struct.unpack_from("<HHH", content, 46)
        rows = [struct.unpack_from("<10I", content, first + size * i) for i in range(count)]
        names = rows[names_index][4]
        self.sections = {self._text(names + row[0]): row for row in rows}
        self.symbols = dict(self._symbols())

    def _text(self, offset: int) -> str:
        return self.content[offset : self.content.index(b"\0", offset)].decode()

    def _symbols(self) -> Any:
        if ".symtab" not in self.sections:
            return
        table, names = self.sections[".symtab"], self.sections[".strtab"]
        for offset in range(table[4], table[4] + table[5], 16):
            name, value, size = struct.unpack_from("<III", self.content, offset)
            yield self._text(names[4] + name), (value, size)

    def bytes_of(self, *sections: str) -> int:
        return sum(self.sections[name][5] for name in sections if name in self.sections)

    @property
    def loaded(self) -> list[tuple[int, bytes]]:
        """Address and content of what is not zero at the start."""
        wanted = (".text", ".rodata", ".data")
        rows = [self.sections[name] for name in wanted if name in self.sections]
        return [(row[3], self.content[row[4] : row[4] + row[5]]) for row in rows]


class Emulator:
    """A machine that has loaded an image."""

    def __init__(self, machine: Machine, image: Image) -> None:
        # Its functions have no types.
        unicorn: Any = import_module("unicorn")

        self.image = image
        if machine.is_arm:
            mode = unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
            self._cpu: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, mode)
            arm: Any = import_module("unicorn.arm_const")
            model = machine.processor.rpartition("_")[2].upper()
            self._cpu.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_CORTEX_{model}"))
            self._arguments = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1)
            self._stack, self._link = arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR
        else:
            self._cpu = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
            riscv: Any = import_module("unicorn.riscv_const")
            self._arguments = (riscv.UC_RISCV_REG_A0, riscv.UC_RISCV_REG_A1)
            self._stack, self._link = riscv.UC_RISCV_REG_SP, riscv.UC_RISCV_REG_RA
        self._thumb = int(machine.is_arm)
        self._code_hook = unicorn.UC_HOOK_CODE
        for start in (FLASH, RAM):
            self._cpu.mem_map(start, MEMORY_BYTES)
        self._cpu.mem_map(STACK_TOP - STACK_BYTES, STACK_BYTES)
        self._cpu.mem_map(RETURN & ~0xFFF, 0x1000)
        for address, content in image.loaded:
            self._cpu.mem_write(address, content)

    def address(self, symbol: str) -> int:
        return int(self.image.symbols[symbol][0])

    def write(self, symbol: str, content: bytes) -> None:
        self._cpu.mem_write(self.address(symbol), content)

    def read(self, symbol: str) -> bytes:
        return bytes(self._cpu.mem_read(*self.image.symbols[symbol]))

    def call(self, function: str, *arguments: int) -> int:
        """Call a function; returns what it returns, as a signed integer."""
        for register, value in zip(self._arguments, arguments, strict=False):
            self._cpu.reg_write(register, value)
        self._cpu.reg_write(self._stack, STACK_TOP)
        self._cpu.reg_write(self._link, RETURN | self._thumb)
        self._cpu.emu_start(self.address(function) | self._thumb, RETURN)
        (result,) = struct.unpack("<i", struct.pack("<I", self._cpu.reg_read(self._arguments[0])))
        return int(result)

    def count(self, function: str, *arguments: int) -> tuple[int, int]:
        """Instructions that a call takes, and bytes of stack."""
        executed = 0

        def note(*_: Any) -> None:
            nonlocal executed
            executed += 1

        self._cpu.mem_write(STACK_TOP - STACK_BYTES, bytes([PAINT]) * STACK_BYTES)
        hook = self._cpu.hook_add(self._code_hook, note)
        self.call(function, *arguments)
        self._cpu.hook_del(hook)
        stack = bytes(self._cpu.mem_read(STACK_TOP - STACK_BYTES, STACK_BYTES))
        untouched = len(stack) - len(stack.lstrip(bytes([PAINT])))
        return executed, STACK_BYTES - untouched
