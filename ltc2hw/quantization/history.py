"""How an integer network was made, in its provenance: the options, and the samples to calibrate on.

Both are JSON texts, so that files, reports and ``ltc2hw show`` have them as they are. What a file
says is read with care: anything that is no history of this form is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from ltc2hw.errors import Ltc2hwError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.target import Target
from ltc2hw.numbers.scalars import is_integer
from ltc2hw.quantization.option_checks import check_options
from ltc2hw.quantization.scaling import QuantizeOptions

OPTIONS = "quantized with"
"""Entry of the provenance with the options that are not the usual ones."""

CALIBRATION = "calibrated on"
"""Entry of the provenance with the source of the samples."""

Origin = Literal["task", "calibration"]
"""A task's training samples, or a file of samples alone."""

DATA_OPTIONS = (
    *("data-root", "layout", "kind", "labels", "input", "classes", "several-labels", "test"),
    *("test-fraction", "validation", "validation-fraction", "decision-steps", "binning", "sensor"),
)
"""Options of data that say how a source is read."""


@dataclass(frozen=True)
class Source:
    """Where samples to calibrate on come from, as a command names it.

    ``data``: options of data as they are typed, by name, empty for a switch. ``samples``: how many
    first ones were used, None where nobody counted them; ``whole``: these are all that there are.

    >>> Source("calibration", "x.npy", {"layout": "batch-first"}, 64).text
    '{"calibration":"x.npy","data":{"layout":"batch-first"},"samples":64}'
    """

    origin: Origin
    name: str
    data: Mapping[str, str] = field(default_factory=dict)
    samples: int | None = None
    whole: bool = False

    @property
    def text(self) -> str:
        """As JSON on one line."""
        content: dict[str, object] = {self.origin: self.name}
        if self.data:
            content["data"] = dict(self.data)
        if self.samples is not None:
            content["samples"] = self.samples
        if self.whole:
            content["whole"] = True
        return _one_line(content)


def calibrated_on(fixed: FixedNetwork, source: Source) -> FixedNetwork:
    """The same integers, with where the samples came from in their provenance."""
    return replace(fixed, provenance={**fixed.provenance, CALIBRATION: source.text})


def read_source(provenance: Mapping[str, str]) -> Source | None:
    """The source that a provenance holds; None if there is none, or none of this form.

    >>> read_source({CALIBRATION: '{"task": "add-8", "samples": 20}'})
    Source(origin='task', name='add-8', data={}, samples=20, whole=False)
    >>> read_source({CALIBRATION: '{"task": "add-8", "data": {"out": "elsewhere"}}'}) is None
    True
    """
    try:
        content = json.loads(provenance[CALIBRATION])
        (origin,) = set(content) & set(get_args(Origin))
        name, data = content.pop(origin), content.pop("data", {})
        samples, whole = content.pop("samples", None), content.pop("whole", False)
        # What does not print could end the line of a command.
        texts = all(isinstance(t, str) and t.isprintable() for t in (name, *data.values()))
        counted = samples is None or (is_integer(samples) and samples >= 1)
        if content or not texts or not counted or not isinstance(whole, bool):
            return None
        if not set(data) <= set(DATA_OPTIONS):
            return None
        return Source(origin, name, data, samples, whole)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def options_text(options: QuantizeOptions) -> dict[str, object]:
    """Options that are not the usual ones, as JSON types.

    >>> options_text(QuantizeOptions(weight_bits=4, scale={"input": -1}))
    {'weight_bits': 4, 'scale': {'input': -1}}
    """
    usual = QuantizeOptions()
    found: dict[str, object] = {}
    for name, value in vars(options).items():
        if value != getattr(usual, name) and value not in ({}, (), []):
            found[name] = _plain(value)
    return found


def _plain(value: object) -> object:
    """A value as a JSON type, the same whatever order a set has."""
    if isinstance(value, Mapping):
        return {str(name): _plain(own) for name, own in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value


def options_entry(options: QuantizeOptions) -> dict[str, str]:
    """The entry of the provenance for options; none for the usual ones."""
    found = options_text(options)
    return {OPTIONS: _one_line(found)} if found else {}


def read_options(
    provenance: Mapping[str, str], network: Network, chip: Target
) -> QuantizeOptions | None:
    """The options that a provenance holds; None if there are none, or none for this network."""
    try:
        content: dict[str, Any] = json.loads(provenance[OPTIONS])
        content["allow"] = tuple(content.get("allow", ()))
        found = QuantizeOptions(**content)
        check_options(found, network, chip)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, Ltc2hwError):
        return None
    return found


def _one_line(content: Mapping[str, object]) -> str:
    return json.dumps(content, separators=(",", ":"))
