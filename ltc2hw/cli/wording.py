"""Python's arguments in remedies, as the command line calls them.

Errors are written for whoever calls Python: ``dt=...``, ``allow={'rescale'}``. Here the same words
become flags. A test reads all texts of the package and finds each argument in these tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ltc2hw.errors import HardwareRuleError

FLAGS: Mapping[str, str] = {
    "allow": "--allow",
    "batch_norm_step": "--batch-norm-step",
    "calibration": "--calibration",
    "classes": "--classes",
    "discretization": "--discretization",
    "dt": "--dt",
    "engine": "--engine",
    "every_step": "--labels",
    "graded_input": "--input",
    "input_shape": "--input-shape",
    "input_size": "--input-size",
    "input_word": "--input-bits",
    "kind": "--kind",
    "layout": "--layout",
    "nir_version": "--nir-version",
    "reset": "--reset",
    "root": "--data-root",
    "sensor": "--sensor",
    "several_labels": "--several-labels",
    "target": "--target",
    "test": "--test",
    "test_fraction": "--test-fraction",
    "validation": "--validation",
    "validation_fraction": "--validation-fraction",
}
"""Flag of each argument that a verb has."""

PYTHON_ONLY = frozenset(
    (
        *("force", "graded", "graded_spike", "self_terms"),
        *("reset_delay", "reset_mechanism", "heads", "form", "eligibility"),
        # Constants of neurons, in the help of --constant.
        *("threshold", "omega"),
        # Within the flag --binning, and engines within compare's own.
        *("downsample", "window_us", "integer", "lava"),
    )
)
"""Arguments, of ours or of other tools, that no verb has; messages keep them as they are."""

VALUES: Mapping[str, Mapping[str, str]] = {
    "every_step": {"True": "every-step", "False": "per-sequence"},
    "several_labels": {"True": "..."},
    "graded_input": {"True": "graded", "False": "spikes"},
}
"""Values that a flag calls otherwise."""

ARGUMENT = re.compile(r"\b([a-z_]+)=(\.\.\.|\{'([^'{}]*)'\}|'([^']*)'|\"([^\"]*)\"|\w+)")
"""An argument in a message: ``dt=...``, ``allow={'name'}``, ``engine='integer'``, ``x=y``."""


def spoken(error: Exception) -> str:
    """An error's text, with flags in its remedies; names and values stay what they are.

    >>> from ltc2hw.errors import InvalidValueError
    >>> print(spoken(InvalidValueError("dt=x.nir", 3, "a step", "pass dt=...")))
    dt=x.nir is 3; expected a step (pass --dt)
    """
    text = str(error)
    parts = error.violations if isinstance(error, HardwareRuleError) else (error,)
    for remedy in {getattr(part, "remedy", "") for part in parts}:
        text = text.replace(f"({remedy})", f"({on_command_line(remedy)})")
    return text


def on_command_line(message: str) -> str:
    """A message with flags in place of Python's arguments.

    >>> on_command_line("allow={'rescale'} converts it so: weights are shifted")
    '--allow rescale converts it so: weights are shifted'
    >>> on_command_line("pass dt=..., for instance 1e-4; or train with graded_spike=False")
    'pass --dt, for instance 1e-4; or train with graded_spike=False'
    """
    return ARGUMENT.sub(_flag, message)


def _flag(match: re.Match[str]) -> str:
    name, given, *quoted = match.groups()
    if name not in FLAGS:
        return match.group()
    value = next((text for text in quoted if text is not None), given)
    value = VALUES.get(name, {}).get(value, value)
    # A placeholder names the argument alone.
    return FLAGS[name] if value in ("...", "x") else f"{FLAGS[name]} {value}"
