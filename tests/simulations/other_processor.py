"""A job for a process of its own: the kernels as an ARM processor would be given them.

Run by :mod:`tests.simulations.test_processors` with Numba's settings for a processor without
features. The portable code runs here, too, and LLVM must be able to translate it for ARM.
"""

from __future__ import annotations

import platform
import re
from typing import Any

from llvmlite import binding

ARM = "aarch64-unknown-linux-gnu"


def translated(code: str) -> bytes:
    """Machine code for ARM of a module of LLVM's."""
    machine = binding.Target.from_triple(ARM).create_target_machine()
    code = re.sub(r'target triple = ".*"', f'target triple = "{ARM}"', code)
    code = re.sub(r'target datalayout = ".*"', f'target datalayout = "{machine.target_data}"', code)
    module = binding.parse_assembly(code)
    module.verify()
    result: bytes = machine.emit_object(module)
    return result


def main() -> None:
    """Compare the engines on a network with every kind of gate, then translate the kernels."""
    platform.machine = lambda: "aarch64"
    import numpy as np

    import ltc2hw
    from ltc2hw.compilation.llvm import PROCESSOR
    from ltc2hw.simulations import fast, integer
    from ltc2hw.simulations.fast import encode, steps
    from ltc2hw.simulations.fast.engine import plan_of
    from ltc2hw.simulations.fast.kinds import SHORT
    from tests.random_networks import random_network, random_samples
    from tests.simulations.traces import assert_same_trace

    assert PROCESSOR.permute is None
    assert not PROCESSOR.rounding_mode
    assert not PROCESSOR.matrix_unit
    rng = np.random.default_rng(7)
    for gate in ("event", "dense"):
        network = random_network(rng, gate=gate, hidden=(33, 17))
        x = random_samples(rng, network, 20, 5)
        fixed = ltc2hw.quantize(network, "loihi2", x)
        assert plan_of(fixed).types is SHORT
        assert_same_trace(fast.simulate(fixed, x, "all"), integer.simulate(fixed, x, "all"))
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    entries: tuple[Any, ...] = (encode.encode, steps.run_steps)
    for entry in entries:
        for code in entry.inspect_llvm().values():
            assert "llvm.x86" not in code
            assert len(translated(code)) > 1000


if __name__ == "__main__":
    main()
