"""Machine code of a text of LLVM, made when it is asked for and kept in memory alone."""

from __future__ import annotations

from typing import Any

from llvmlite import binding

from ltc2hw.compilation.llvm import processor_features


def native(text: str) -> Any:
    """LLVM's engine that holds the machine code of a module; addresses are valid while it lives."""
    module = binding.parse_assembly(text)
    module.verify()
    engine = binding.create_mcjit_compiler(module, _target_machine())
    engine.finalize_object()
    return engine


def _target_machine() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    return target.create_target_machine(
        cpu=binding.get_host_cpu_name(), features=processor_features(), opt=3
    )
