"""The result of a comparison as an object; rendering is separate and happens on ``save``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from ltc2hw.comparison.account import Account
from ltc2hw.comparison.drift import Drift
from ltc2hw.comparison.ladder import Cause, Stage
from ltc2hw.comparison.marks import Histogram
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.atomic import write_text
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.report import KEY, QuantizationReport, read_report
from ltc2hw.showing import Shown

KNOWN_METRICS = ("accuracy", "mse")
"""Scores that have a name of their own in reports; those of other decisions have theirs."""


@dataclass(frozen=True)
class Place:
    """Where an engine first differed from ``integer``, and both integers."""

    population: str
    variable: str
    step: int
    sample: int
    neuron: int
    expected: int
    found: int


@dataclass(frozen=True)
class Exactness:
    """Recorded integers of an engine compared with those of ``integer``."""

    compared: int
    mismatches: int
    first: Place | None = None


@dataclass(frozen=True)
class Range:
    """Integers that occurred (``low`` to ``high``) and those that the word holds."""

    name: str
    low: int
    high: int
    minimum: int
    maximum: int

    @property
    def bits_unused(self) -> int:
        """Bits by which the word is wider than its values need.

        >>> Range("weights", low=-3, high=2, minimum=-128, maximum=127).bits_unused
        5
        """
        signed = 1 if self.minimum < 0 else 0
        magnitude = max(self.high, -self.low - signed, 0)
        return (self.maximum - self.minimum).bit_length() - max(magnitude.bit_length() + signed, 1)


@dataclass(frozen=True)
class Agreement:
    """Spikes of one population, float against integer, over all samples and steps.

    ``agreement`` is the fraction of equal entries, ``overlap`` twice the common spikes over the
    sum of both; ``float_rate`` and ``integer_rate`` are spikes per neuron at each step, (T,), of
    the samples that have that step; ``float_mean`` and ``integer_mean`` over all of their steps.
    """

    agreement: float
    overlap: float
    float_rate: tuple[float, ...]
    integer_rate: tuple[float, ...]
    float_mean: float
    integer_mean: float


@dataclass(frozen=True)
class Divergence:
    """Samples by the step of their first spike that differs between float and integer."""

    first_step: tuple[int, ...]
    never: int


@dataclass(frozen=True)
class Membrane:
    """One neuron of a pictured sample: spikes, membranes after reset, thresholds, (T,) each.

    Membranes and thresholds are in real units on both sides; ``integer_membrane`` times
    ``2^fraction`` are the integers themselves.
    """

    population: str
    neuron: int
    float_spikes: FloatArray
    integer_spikes: FloatArray
    float_membrane: FloatArray
    integer_membrane: FloatArray
    float_threshold: FloatArray
    integer_threshold: FloatArray
    fraction: int = 0


@dataclass(frozen=True)
class Excerpt:
    """One sample for the pictures: spikes (T, N) by population, membranes, outputs (T, N_out).

    Membranes are those of some neurons of each population, the ones whose spikes differ most
    first. Verdicts are what the sample adds to the score; label and answers are classes, None where
    a decision does not take one for each sample.
    """

    sample: int
    float_spikes: Mapping[str, FloatArray]
    integer_spikes: Mapping[str, FloatArray]
    membranes: tuple[Membrane, ...]
    float_outputs: FloatArray
    integer_outputs: FloatArray
    float_verdict: float
    integer_verdict: float
    label: int | None = None
    float_answer: int | None = None
    integer_answer: int | None = None


@dataclass(frozen=True)
class Bound:
    """A stated limit and whether the measured value keeps it."""

    name: str
    value: float
    limit: float
    met: bool


@dataclass(frozen=True)
class Report(Shown):
    """Everything that :func:`ltc2hw.compare` measured.

    ``scores`` and ``samples`` are by engine, ``float64`` among them; ``float_scores`` are those of
    ``float64`` on the samples of each engine; ``exact`` compares every other engine with
    ``integer``; ``drift`` says where and when these leave the float run, None where that was left
    out. ``reference`` is the engine that stands for the integers on all samples:
    ``integer``, or ``fast`` where ``integer`` ran only the first ones. ``ladder`` ends with it;
    ``causes`` are sorted by damage; ``account`` shares the loss out between them, None where it was
    left out or nothing is rounded. All three are measured on the first ``explained`` samples.
    ``excerpts`` are some samples in full, those first whose answers changed for the worse.
    """

    task: str
    target: str
    metric: str
    higher_is_better: bool
    reference: str
    scores: Mapping[str, float]
    float_scores: Mapping[str, float]
    samples: Mapping[str, int]
    explained: int
    exact: Mapping[str, Exactness]
    spikes: Mapping[str, Agreement]
    divergence: Divergence
    saturations: Mapping[str, Mapping[str, int]]
    utilization: Mapping[str, tuple[int, int]]
    weight_ranges: tuple[Range, ...]
    state_ranges: tuple[Range, ...]
    ladder: tuple[Stage, ...]
    causes: tuple[Cause, ...]
    provenance: Mapping[str, str]
    excerpts: tuple[Excerpt, ...]
    weight_histograms: tuple[Histogram, ...] = field(default=())
    drift: Drift | None = None
    bounds: tuple[Bound, ...] = field(default=())
    account: Account | None = None

    def __repr__(self) -> str:
        scores = ", ".join(f"{engine} {score:.4g}" for engine, score in self.scores.items())
        wrong = f"{self.mismatches:,} integers differ"
        return (
            f"<Report: {self.task or 'network'} on {self.target}; {self.metric} {scores}; {wrong}>"
        )

    @property
    def excerpt(self) -> Excerpt:
        """The sample to look at first."""
        return self.excerpts[0]

    @property
    def mismatches(self) -> int:
        """Integers in which any engine differed from ``integer``."""
        return sum(exact.mismatches for exact in self.exact.values())

    @property
    def bounds_met(self) -> bool:
        """Whether every stated bound is kept."""
        return all(bound.met for bound in self.bounds)

    @property
    def lost(self) -> float:
        """How much worse the integers are than ``float64``: accuracy lost, or error added."""
        difference = self.scores["float64"] - self.scores[self.reference]
        return difference if self.higher_is_better else -difference

    @property
    def partial(self) -> bool:
        """Whether some engine ran only the first samples."""
        return any(count < self.samples["float64"] for count in self.samples.values())

    @property
    def quantization(self) -> QuantizationReport | None:
        """What quantization made of every number; None for networks that it did not make."""
        return read_report(self.provenance)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures' raw data, as JSON types.

        ``scores`` are by engine; ``accuracy`` (or ``mse``) holds the same ones.
        """
        made = self.quantization
        told = () if made is None else (KEY,)
        known = {self.metric: dict(self.scores)} if self.metric in KNOWN_METRICS else {}
        return {
            "task": self.task,
            "target": self.target,
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "reference": self.reference,
            "scores": dict(self.scores),
            **known,
            "float_scores": dict(self.float_scores),
            "samples": dict(self.samples),
            "explained_samples": self.explained,
            "exact": {engine: asdict(exact) for engine, exact in self.exact.items()},
            "spike_agreement": {name: spikes.agreement for name, spikes in self.spikes.items()},
            "spike_overlap": {name: spikes.overlap for name, spikes in self.spikes.items()},
            "spike_rate": {
                name: {"float64": list(spikes.float_rate), "integer": list(spikes.integer_rate)}
                for name, spikes in self.spikes.items()
            },
            "first_divergence": {
                "samples_by_step": list(self.divergence.first_step),
                "never": self.divergence.never,
            },
            "saturations": {name: dict(counts) for name, counts in self.saturations.items()},
            "utilization": {name: list(pair) for name, pair in self.utilization.items()},
            "weight_ranges": [asdict(entry) for entry in self.weight_ranges],
            "state_ranges": [asdict(entry) for entry in self.state_ranges],
            "drift": None if self.drift is None else self.drift.to_dict(),
            "ladder": [asdict(stage) for stage in self.ladder],
            "causes": [asdict(cause) for cause in self.causes],
            "account": None if self.account is None else self.account.to_dict(),
            "bounds": [asdict(bound) for bound in self.bounds],
            "quantization": None if made is None else made.to_dict(),
            "provenance": {k: text for k, text in self.provenance.items() if k not in told},
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report, whole or not at all, as ``.json``, ``.md`` or ``.html``.

        Raises:
            InvalidValueError: for any other suffix.
            MissingExtraError: for ``.html`` without the extra ``plot``.
            OSError: if the folder does not exist or cannot be written.
        """
        write_text(path, find_renderer(path)(self))


def to_json(report: Report) -> str:
    """The report's dictionary as indented JSON."""
    return json.dumps(report.to_dict(), indent=2) + "\n"


Renderer = Callable[[Report], str]

RENDERERS: Mapping[str, tuple[str, str]] = {
    ".json": ("ltc2hw.comparison.report", "to_json"),
    ".md": ("ltc2hw.comparison.markdown", "to_markdown"),
    ".html": ("ltc2hw.comparison.page", "to_html"),
}
"""Module and function of each format, imported on use: pictures need an extra."""

FORMATS = ", ".join(RENDERERS)


def find_renderer(path: str | os.PathLike[str]) -> Renderer:
    """Return the function that renders reports for a file name.

    Raises:
        InvalidValueError: for a suffix that is not in :data:`RENDERERS`.
        MissingExtraError: for ``.html`` without the extra ``plot``.
    """
    suffix = Path(path).suffix
    if suffix not in RENDERERS:
        raise InvalidValueError("report file", repr(str(path)), f"a name ending in {FORMATS}")
    module, function = RENDERERS[suffix]
    return cast(Renderer, getattr(import_module(module), function))
