"""Comparisons of samples of unequal lengths, of labels at every step, and of engines in part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import ltc2hw
from ltc2hw.cli.bounds import loss_bound
from ltc2hw.comparison import drifting
from ltc2hw.comparison.compare import CompareOptions, compare
from ltc2hw.comparison.ladder import ladder_mixtures
from ltc2hw.comparison.markdown import to_markdown
from ltc2hw.comparison.report import Report
from ltc2hw.comparison.tables import (
    cause_table,
    ladder_table,
    score_table,
    spike_table,
    summary,
)
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.decision import Classification
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.quantization.mixing import Kind, partly_fixed, parts, rounded_samples
from tests.random_networks import random_network

STEPS, SAMPLES = 8, 30


@dataclass(frozen=True)
class Uneven:
    """A float network, its integers, samples with their steps, and labels."""

    network: Network
    fixed: FixedNetwork
    x: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]

    @property
    def own(self) -> npt.NDArray[np.bool_]:
        """Own steps (T, B)."""
        mask: npt.NDArray[np.bool_] = np.arange(STEPS)[:, None] < self.lengths
        return mask

    def alone(self, network: Any, sample: int, engine: str) -> Any:
        """The trace of one sample by itself."""
        end = self.lengths[sample]
        return ltc2hw.simulate(network, self.x[:end, sample : sample + 1], engine, "all")


@pytest.fixture(scope="module")
def uneven() -> Uneven:
    rng = np.random.default_rng(21)
    network = random_network(rng, hidden=(14, 9))
    x = rng.uniform(-1, 1, (STEPS, SAMPLES, 5))
    lengths = rng.integers(1, STEPS, SAMPLES)
    options = ltc2hw.QuantizeOptions(weight_bits=4)
    fixed = ltc2hw.quantize(network, "loihi2", x, options, lengths=lengths)
    outputs = ltc2hw.simulate(network, x, lengths=lengths).outputs
    labels = outputs[lengths - 1, np.arange(SAMPLES)].argmax(axis=1)
    labels[:5] = (labels[:5] + 1) % 3
    return Uneven(network, fixed, x, lengths, labels)


@pytest.fixture(scope="module")
def report(uneven: Uneven) -> Report:
    return compare(
        uneven.network, uneven.fixed, uneven.x, uneven.labels, lengths=uneven.lengths, task="own"
    )


@pytest.mark.parametrize(
    ("batch", "part", "options", "samples"),
    [
        (4, 6, CompareOptions(account_runs=10), SAMPLES),
        (7, 2, CompareOptions(account_runs=10, samples={"integer": 11}), 11),
        (1, 30, CompareOptions(account_runs=10, cause_samples=13), 13),
    ],
)
def test_where_and_when_is_told_of_runs_as_they_are_made(
    uneven: Uneven,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    part: int,
    options: CompareOptions,
    samples: int,
) -> None:
    """However many samples run at a time, the numbers are those of runs made for it alone."""
    network, lengths = in_short_numbers(uneven.network), uneven.lengths
    x = np.rint(64 * uneven.x) / 64
    coarse = ltc2hw.QuantizeOptions(weight_bits=4)
    fixed = ltc2hw.quantize(network, "loihi2", x, coarse, lengths=lengths)
    measuring = drifting.Measuring(network, fixed, STEPS, SAMPLES)
    monkeypatch.setattr(drifting, "MEMORY", part * measuring.memory)
    assert measuring.part == part
    kept = sum(p.size * len(p.recordable) for p in network.populations)
    comparing = import_module("ltc2hw.comparison.compare")
    monkeypatch.setattr(comparing, "MEMORY", batch * STEPS * kept * 8)
    report = compare(network, fixed, x, uneven.labels, options=options, lengths=lengths)
    alone = drifting.measure_drift(network, fixed, x, lengths, samples=samples)
    assert report.drift == alone
    assert alone.samples == samples
    assert not alone.population("hidden1").exact


def in_short_numbers(network: Network) -> Network:
    """Weights of few bits, whose products sum to the same in whatever order they are added."""
    return replace(
        network,
        projections=tuple(
            replace(p, weights=p.weights.with_values(np.rint(64 * p.weights.values) / 64))
            for p in network.projections
        ),
    )


def test_every_number_is_that_of_samples_alone(uneven: Uneven, report: Report) -> None:
    real = [uneven.alone(uneven.network, b, "float64") for b in range(SAMPLES)]
    integer = [uneven.alone(uneven.fixed, b, "integer") for b in range(SAMPLES)]
    for engine, traces in (("float64", real), ("integer", integer), ("fast", integer)):
        chosen = np.array([trace.outputs[-1, 0].argmax() for trace in traces])
        assert report.scores[engine] == np.mean(chosen == uneven.labels), engine
    entries = sum(array.size for trace in integer for array in trace.recorded().values())
    assert (report.exact["fast"].compared, report.exact["fast"].mismatches) == (entries, 0)
    for name, agreement in report.spikes.items():
        pairs = [(a.spikes[name], b.spikes[name]) for a, b in zip(real, integer, strict=True)]
        equal = np.concatenate([(a == b).ravel() for a, b in pairs])
        assert agreement.agreement == np.mean(equal)
        assert agreement.float_mean == np.mean(np.concatenate([a.ravel() for a, _ in pairs]))
        assert agreement.integer_mean == np.mean(np.concatenate([b.ravel() for _, b in pairs]))
        for step in range(STEPS):
            there = [a[step].ravel() for a, _ in pairs if len(a) > step]
            rate = np.mean(np.concatenate(there)) if there else 0.0
            assert agreement.float_rate[step] == pytest.approx(rate)
    counted: dict[str, dict[str, int]] = {name: {} for name in report.saturations}
    for trace in integer:
        for name, counts in trace.saturations.items():
            for variable, number in counts.items():
                counted[name][variable] = counted[name].get(variable, 0) + number
    assert report.saturations == counted
    for row in report.state_ranges:
        name, variable = row.name.split(".")
        values = [trace.states[name][variable] for trace in integer]
        assert row.low == min(array.min() for array in values), row.name
        assert row.high == max(array.max() for array in values), row.name


def test_samples_diverge_within_their_own_steps(uneven: Uneven, report: Report) -> None:
    first = [0] * STEPS
    never = 0
    for b in range(SAMPLES):
        real, integer = (
            uneven.alone(network, b, engine).spikes
            for network, engine in ((uneven.network, "float64"), (uneven.fixed, "integer"))
        )
        differs = np.any([(real[n] != integer[n]).any(axis=(1, 2)) for n in real], axis=0)
        if differs.any():
            first[int(np.argmax(differs))] += 1
        else:
            never += 1
    assert report.divergence.first_step == tuple(first)
    assert report.divergence.never == never
    assert 0 < never < SAMPLES
    sample = report.excerpt.sample
    assert len(report.excerpt.float_outputs) == uneven.lengths[sample]


def test_ladder_and_causes_read_each_sample_at_its_end(uneven: Uneven, report: Report) -> None:
    made = parts(uneven.network, uneven.fixed)

    def outputs(mixture: Any, samples: range = range(SAMPLES)) -> list[Any]:
        mixed = partly_fixed(uneven.network, uneven.fixed, mixture)
        given = any(part.kind is Kind.INPUT for part in mixture)
        x = rounded_samples(uneven.fixed, uneven.x) if given else uneven.x
        ends = [(b, uneven.lengths[b]) for b in samples]
        return [ltc2hw.simulate(mixed, x[:end, b : b + 1]).outputs[:, 0] for b, end in ends]

    stages = ladder_mixtures(made).values()
    for mixture, stage in zip(stages, report.ladder, strict=False):
        chosen = np.array([array[-1].argmax() for array in outputs(mixture)])
        assert stage.score == np.mean(chosen == uneven.labels), stage.name
    causes = {cause.name: cause for cause in report.causes}
    assert {cause.samples for cause in report.causes} >= {SAMPLES}
    for part in made[:4]:
        cause = causes[str(part)]
        step = next(k for k in range(1, SAMPLES + 1) if -(-SAMPLES // k) == cause.samples)
        samples = range(0, SAMPLES, step)
        real = np.concatenate(outputs((), samples))
        moved = np.concatenate(outputs((part,), samples)) - real
        error = np.sqrt(np.mean(moved**2)) / np.sqrt(np.mean(real**2))
        assert cause.output_error == pytest.approx(error, rel=1e-9)


def test_what_comes_after_an_end_changes_nothing(uneven: Uneven, report: Report) -> None:
    x = np.where(uneven.own[:, :, None], uneven.x, np.nan)
    again = compare(
        uneven.network, uneven.fixed, x, uneven.labels, lengths=uneven.lengths, task="own"
    )
    assert again.to_dict() == report.to_dict()


def test_every_labelled_step_is_judged(uneven: Uneven) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(-1, 3, (STEPS, SAMPLES))
    labels[0] = np.abs(labels[0])
    given = compare(
        uneven.network, uneven.fixed, uneven.x, labels, ("integer",), lengths=uneven.lengths,
        decision=Classification(every_step=True), options=CompareOptions(causes=False),
    )  # fmt: skip
    scores = []
    for b in range(SAMPLES):
        chosen = uneven.alone(uneven.network, b, "float64").outputs[:, 0].argmax(axis=1)
        own = labels[: uneven.lengths[b], b]
        scores.append(np.mean((chosen == own)[own >= 0]))
    assert given.scores["float64"] == pytest.approx(np.mean(scores))
    assert given.ladder[0].score == pytest.approx(np.mean(scores))
    guessed = compare(
        uneven.network, uneven.fixed, uneven.x, labels, ("integer",), lengths=uneven.lengths,
        options=CompareOptions(causes=False),
    )  # fmt: skip
    assert guessed.to_dict() == given.to_dict()


def test_a_target_at_every_step(uneven: Uneven) -> None:
    targets = np.random.default_rng(4).normal(0, 0.1, (STEPS, SAMPLES, 3))
    options = CompareOptions(cause_samples=7)
    found = compare(uneven.network, uneven.fixed, uneven.x, targets, options=options)
    outputs = ltc2hw.simulate(uneven.network, uneven.x).outputs
    assert found.metric == "mse"
    assert found.scores["float64"] == pytest.approx(np.mean((outputs - targets) ** 2))
    wanted = np.mean((outputs - targets)[:, :7] ** 2)
    assert found.ladder[0].score == pytest.approx(wanted)
    assert ladder_table(found).title == "From float to integer, on the first 7 samples"
    assert cause_table(found).title == "Every cause alone, on the first 7 samples"
    with pytest.raises(ShapeError, match="one per sample, 30"):
        compare(uneven.network, uneven.fixed, uneven.x, targets[:-1])


def test_engines_in_part_stand_beside_the_float_score_there(uneven: Uneven) -> None:
    options = CompareOptions(samples={"fast": 5})
    found = compare(uneven.network, uneven.fixed, uneven.x, uneven.labels, options=options)
    real = ltc2hw.simulate(uneven.network, uneven.x).outputs[-1].argmax(axis=1) == uneven.labels
    assert found.float_scores == {
        "float64": np.mean(real), "integer": np.mean(real), "fast": np.mean(real[:5]),
    }  # fmt: skip
    assert found.scores["float64"] != found.float_scores["fast"]
    table = score_table(found)
    assert table.header == (
        "engine", "accuracy", "float64 on these", "change", "samples", "against integer",
    )  # fmt: skip
    fast = dict(zip(table.header, table.rows[2], strict=True))
    assert fast["float64 on these"] == f"{100 * np.mean(real[:5]):.2f} %"
    change = found.scores["fast"] - np.mean(real[:5])
    assert fast["change"] == (f"{100 * change:+.2f} points" if change else "0")
    assert found.reference == "integer"


def test_fast_stands_for_integer_where_that_ran_in_part(uneven: Uneven) -> None:
    whole = compare(uneven.network, uneven.fixed, uneven.x, uneven.labels)
    options = CompareOptions(samples={"integer": 11, "torch": 15})
    pytest.importorskip("torch")
    found = compare(
        uneven.network, uneven.fixed, uneven.x, uneven.labels, ("integer", "torch"),
        options=options,
    )  # fmt: skip
    assert found.reference == "fast"
    assert found.samples == {"float64": 30, "integer": 11, "torch": 15, "fast": 30}
    # Nothing but the engine's name is another than with integer on all samples.
    told = {**whole.to_dict()}
    for key in ("spike_agreement", "first_divergence", "saturations", "state_ranges", "causes"):
        assert found.to_dict()[key] == told[key], key
    assert [stage.score for stage in found.ladder] == [stage.score for stage in whole.ladder]
    assert [stage.name for stage in found.ladder][-1] == "fast"
    assert found.lost == whole.lost
    per_sample = whole.exact["fast"].compared // 30
    assert {name: e.compared for name, e in found.exact.items()} == {
        "fast": 11 * per_sample, "torch": 11 * per_sample,
    }  # fmt: skip
    assert found.mismatches == 0
    assert "in integers (of fast; integer ran 11 samples)" in summary(found)


def test_every_sample_by_integer_is_no_part(uneven: Uneven, report: Report) -> None:
    options = CompareOptions(samples={"integer": 1000})
    again = compare(
        uneven.network, uneven.fixed, uneven.x, uneven.labels, lengths=uneven.lengths, task="own",
        options=options,
    )  # fmt: skip
    assert again.to_dict() == report.to_dict()
    assert not report.partial
    assert "float64 on these" not in score_table(report).header


@dataclass(frozen=True)
class Margin:
    """How far the right output lies above the mean: a score of one's own."""

    metric: str = "margin <b>|"
    higher_is_better: bool = True
    sign: float = 1.0

    def judge(self, outputs: Any, labels: Any, lengths: object = None) -> Any:
        last = outputs[-1]
        return self.sign * (last[np.arange(len(labels)), labels] - last.mean(axis=1))


def test_scores_of_ones_own_are_titled_and_signed(uneven: Uneven, tmp_path: Any) -> None:
    def compared(decision: Any) -> Report:
        return compare(uneven.network, uneven.fixed, uneven.x, uneven.labels, decision=decision)

    up = compared(Margin())
    down = compared(Margin("loss", higher_is_better=False, sign=-1.0))
    assert up.lost == pytest.approx(up.scores["float64"] - up.scores["integer"])
    assert down.lost == pytest.approx(up.lost)
    # The same damage under either sign.
    assert [cause.name for cause in up.causes] == [cause.name for cause in down.causes]
    assert score_table(up).title == "margin <b>|"
    assert score_table(up).header[1] == "margin <b>|"
    assert score_table(up).rows[0][1] == f"{up.scores['float64']:.4g}"
    assert summary(up).startswith("margin <b>|: ")
    assert "%" not in score_table(up).rows[0][1]
    told = up.to_dict()
    assert (told["metric"], told["higher_is_better"]) == ("margin <b>|", True)
    assert told["scores"] == dict(up.scores)
    assert "accuracy" not in told
    (bound,) = loss_bound(up, up.metric, up.lost)
    assert (bound.name, bound.met) == ("margin <b>| lost, at most", True)
    (bound,) = loss_bound(down, "loss", down.lost - 1e-6)
    assert (bound.name, bound.met) == ("loss added, at most", False)
    with pytest.raises(InvalidValueError, match="bound on accuracy"):
        loss_bound(up, "accuracy", 1.0)
    assert "margin <b>" not in to_markdown(up)
    pytest.importorskip("matplotlib")
    up.save(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "margin &lt;b&gt;|, float64" in page
    # But in what is said of states, which has "its squared error".
    assert "squared error" not in page.replace("its squared error", "")
    assert "<b>|" not in page.replace("<b class", "")


class Silent:
    """Judges, takes no lengths, and does not say what it judges."""

    def judge(self, outputs: Any, labels: Any) -> Any:
        return np.zeros(outputs.shape[1])


@pytest.mark.parametrize(
    ("decision", "problem"),
    [
        (Silent(), "metric of Silent is 'missing'"),
        (Margin(metric=""), "metric of Margin"),
        (Margin(higher_is_better=None), "higher_is_better of Margin is None"),  # type: ignore[arg-type]
        (object(), "judge of object"),
    ],
)
def test_decisions_that_are_none(uneven: Uneven, decision: Any, problem: str) -> None:
    with pytest.raises(InvalidValueError, match=problem):
        compare(uneven.network, uneven.fixed, uneven.x, uneven.labels, decision=decision)


def test_a_decision_takes_lengths_where_samples_have_them(uneven: Uneven) -> None:
    decision: Any = Silent()
    decision.metric, decision.higher_is_better = "nothing", False
    arguments = (uneven.network, uneven.fixed, uneven.x, uneven.labels, ("integer",))
    assert compare(*arguments, decision=decision).scores["float64"] == 0.0
    with pytest.raises(InvalidValueError, match="a function of outputs, labels, lengths"):
        compare(*arguments, decision=decision, lengths=uneven.lengths)


def test_verdicts_are_one_finite_number_per_sample(uneven: Uneven) -> None:
    class Mean(Margin):
        def judge(self, outputs: Any, labels: Any, lengths: object = None) -> Any:
            return super().judge(outputs, labels).mean()

    class Lost(Margin):
        def judge(self, outputs: Any, labels: Any, lengths: object = None) -> Any:
            return np.full(len(labels), np.nan)

    arguments = (uneven.network, uneven.fixed, uneven.x, uneven.labels)
    with pytest.raises(ShapeError, match=r"shape of verdicts of Mean is \(\); expected \(30,\)"):
        compare(*arguments, decision=Mean())
    with pytest.raises(InvalidValueError, match="verdicts of Lost"):
        compare(*arguments, decision=Lost())


def test_options_that_mean_nothing(uneven: Uneven) -> None:
    arguments = (uneven.network, uneven.fixed, uneven.x, uneven.labels)
    for samples in ({"fast": 0}, {"fast": 1.5}, {"fast": "3"}, [("fast", 3)]):
        with pytest.raises(InvalidValueError, match="samples of engine"):
            CompareOptions(samples=samples)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="cause_samples"):
        CompareOptions(cause_samples=0)
    with pytest.raises(UnknownNameError, match="engine with samples is 'lava'"):
        compare(*arguments, options=CompareOptions(samples={"lava": 3}))
    with pytest.raises(InvalidValueError, match=r"engines is 'fast'"):
        compare(*arguments, "fast")
    with pytest.raises(InvalidValueError, match="lengths"):
        compare(*arguments, lengths=[STEPS + 1] * SAMPLES)
    with pytest.raises(ShapeError, match="shape of samples"):
        compare(uneven.network, uneven.fixed, uneven.x[0], uneven.labels, lengths=uneven.lengths)


def test_rates_are_told_over_own_steps(report: Report) -> None:
    row = spike_table(report).rows[0]
    assert row[3] == f"{report.spikes[row[0]].float_mean:.3f}"
