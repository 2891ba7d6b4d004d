"""Kernels for processors that lack what this one has.

The tests of the engines, the learners and the compiled training run whole for other processors,
too: ``make processor``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltc2hw.compilation.llvm import Processor

AVX512 = "+avx,+avx2,+avx512f,+avx512bw,+avx512vl"


def test_kernels_need_nothing_but_llvms_portable_instructions(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": os.fspath(tmp_path),
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
    }
    command = [sys.executable, "-m", "tests.simulations.other_processor"]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("machine", "features", "width", "permutes", "matrices"),
    [
        ("x86_64", "", 16, False, False),
        ("AMD64", "+sse4.2,+avx", 16, False, False),
        ("x86_64", "+avx,+avx2,+fma,-avx512f", 32, False, False),
        ("x86_64", AVX512, 64, True, False),
        ("x86_64", AVX512 + ",+amx-tile,+amx-int8", 64, True, True),
        ("x86_64", AVX512 + ",-evex512", 32, False, False),  # vectors of 256 bits alone
        ("x86_64", "+avx2,+avx512f", 32, False, False),  # no products of 16 bits
        ("x86_64", "+avx2,+amx-int8", 32, False, False),  # no registers for them
        ("aarch64", "+neon,+sve2", 16, False, False),
        ("arm64", AVX512, 16, False, False),
    ],
)
def test_only_what_the_processor_has_is_named(
    machine: str, features: str, width: int, permutes: bool, matrices: bool
) -> None:
    processor = Processor.of(machine, features)
    assert processor.vector_bytes == width
    assert (processor.permute is not None) == permutes
    assert (processor.multiply_pairs is not None) == (width > 16)
    assert processor.matrix_unit == matrices
    assert processor.rounding_mode == (machine in ("x86_64", "AMD64"))


@pytest.mark.parametrize(
    "settings", [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_ENABLE_AVX": "0"}], ids=str
)
def test_numbas_settings_are_those_of_the_kernels(settings: dict[str, str]) -> None:
    program = "from ltc2hw.compilation.llvm import PROCESSOR; print(PROCESSOR.vector_bytes)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) <= 32
