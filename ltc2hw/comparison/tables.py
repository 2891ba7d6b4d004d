"""A report's tables as texts, the same in every format and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ltc2hw.comparison.account import Amount
from ltc2hw.comparison.drift_texts import COLUMNS, drift_rows
from ltc2hw.comparison.report import KNOWN_METRICS, Exactness, Report
from ltc2hw.errors import InvalidValueError
from ltc2hw.quantization.report import KEY, QuantizationReport


@dataclass(frozen=True)
class Table:
    """A titled table of texts."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def is_numeric(self, column: int) -> bool:
        """Whether a column holds numbers, which are aligned to the right.

        >>> table = Table("", ("a", "b"), (("x", "-1"), ("y", "2.5 %")))
        >>> table.is_numeric(0), table.is_numeric(1)
        (False, True)
        """
        return all(row[column][:1] in "+-0123456789" for row in self.rows)


@dataclass(frozen=True)
class Naming:
    """What a score is called: over a table, in a sentence, on an axis of numbers as they show."""

    title: str
    sentence: str
    axis: str


NAMINGS: Mapping[str, Naming] = {
    "accuracy": Naming("Accuracy", "accuracy", "accuracy (%)"),
    "mse": Naming("Mean squared error", "squared error", "mean squared error"),
}
"""Those of :data:`~ltc2hw.comparison.report.KNOWN_METRICS`; others are called what they are."""


def naming(metric: str) -> Naming:
    """What a score is called.

    >>> naming("mse").title, naming("F1, macro").title
    ('Mean squared error', 'F1, macro')
    """
    return NAMINGS.get(metric, Naming(metric, metric, metric))


def score_text(metric: str, score: float) -> str:
    """Accuracy in per cent, or another score as it is.

    >>> score_text("accuracy", 0.96389), score_text("mse", 0.0123456)
    ('96.39 %', '0.01235')
    """
    return f"{100 * score:.2f} %" if metric == "accuracy" else f"{score:.4g}"


def change_text(metric: str, change: float) -> str:
    """Change of a score, with its sign: points of accuracy, or of another score as it is.

    >>> change_text("accuracy", -0.0028), change_text("mse", 0.5), change_text("accuracy", 0.0)
    ('-0.28 points', '+0.5', '0')
    """
    if change == 0 or (metric == "accuracy" and abs(change) < LEAST_POINTS / 100):
        return "0"
    return f"{100 * change:+.2f} points" if metric == "accuracy" else f"{change:+.3g}"


LEAST_POINTS = 0.005
"""Points of accuracy that are told as more than none: half of the last digit."""


def interval_text(metric: str, low: float, high: float) -> str:
    """Between what a change of a score lies in 95 of 100 cases.

    >>> interval_text("accuracy", -0.02, 0.005), interval_text("mse", 0.1, 0.25)
    ('-2.00 to +0.50', '+0.1 to +0.25')
    """
    if metric == "accuracy":
        return f"{100 * low:+.2f} to {100 * high:+.2f}"
    return f"{low:+.3g} to {high:+.3g}"


def exact_text(exact: Exactness | None) -> str:
    """Mismatches of an engine against ``integer`` in words."""
    if exact is None:
        return ""
    return f"{exact.mismatches:,} of {exact.compared:,} integers differ"


def score_table(report: Report) -> Table:
    """Score and exactness of every engine.

    Where an engine ran only the first samples, the score of ``float64`` on them stands beside.
    """
    metric = report.metric
    rows = []
    for engine, score in report.scores.items():
        there = report.float_scores[engine]
        beside = (score_text(metric, there),) if report.partial else ()
        rows.append(
            (
                engine,
                score_text(metric, score),
                *beside,
                change_text(metric, score - there),
                str(report.samples[engine]),
                exact_text(report.exact.get(engine)),
            )
        )
    beside = ("float64 on these",) if report.partial else ()
    header = ("engine", metric, *beside, "change", "samples", "against integer")
    return Table(naming(metric).title, header, tuple(rows))


def bound_table(report: Report) -> Table:
    """Stated bounds and what was measured."""
    rows = tuple(
        (bound.name, f"{bound.value:g}", f"{bound.limit:g}", "met" if bound.met else "MISSED")
        for bound in report.bounds
    )
    return Table("Stated bounds", ("bound", "measured", "limit", ""), rows)


def spike_table(report: Report) -> Table:
    """How far the spikes of float and integer agree."""
    rows = tuple(
        (
            name,
            f"{100 * spikes.agreement:.2f} %",
            f"{100 * spikes.overlap:.2f} %",
            f"{spikes.float_mean:.3f}",
            f"{spikes.integer_mean:.3f}",
        )
        for name, spikes in report.spikes.items()
    )
    header = ("population", "equal", "common spikes", "float rate", "integer rate")
    return Table("Spikes, float against integer", header, rows)


def drift_table(report: Report) -> Table:
    """How far every state and spike is off, and where that comes from."""
    drift = report.drift
    if drift is None:
        return Table("Where and when", COLUMNS, ())
    return Table(
        f"Where and when, on the first {drift.samples:,} samples", COLUMNS, drift_rows(drift)
    )


def ladder_table(report: Report) -> Table:
    """Score at every stage from float to integer."""
    first = report.ladder[0].score
    rows = tuple(
        (
            stage.name,
            score_text(report.metric, stage.score),
            change_text(report.metric, stage.score - first),
            interval_text(report.metric, stage.low, stage.high),
        )
        for stage in report.ladder
    )
    title = f"From float to integer{of_the_first(report)}"
    return Table(title, ("stage", report.metric, "change", "95 %"), rows)


def of_the_first(report: Report) -> str:
    """On which samples ladder and causes were measured, where these are not all."""
    if report.explained == report.samples["float64"]:
        return ""
    return f", on the first {report.explained:,} samples"


def account_table(report: Report, most: int | None = None) -> Table:
    """What every part has of the loss, or the ``most`` first of them; none without an account."""
    account = report.account
    header = ("part", "change", "95 %", "alone", "without it", "outputs move by")
    if account is None:
        return Table("Account", header, ())

    def score(loss: float) -> float:
        return -loss if report.higher_is_better else loss

    def row(name: str, own: Amount, moved: float) -> tuple[str, ...]:
        ends = sorted((score(own.low), score(own.high)))
        alone, back = (change_text(report.metric, score(x)) for x in (own.alone, -own.removed))
        share = change_text(report.metric, score(own.share))
        ends_text = interval_text(report.metric, *ends)
        return (name, share, ends_text, alone, back, f"{100 * moved:.3g} %")

    whole = Amount(account.loss, account.low, account.high, account.loss, account.loss)
    rows = [row(share.name, share.score, share.error.share) for share in account.shares[:most]]
    rows.append(row("all together", whole, account.error))
    return Table(f"Account: {loss_text(report)}{of_the_first(report)}", header, tuple(rows))


def loss_text(report: Report) -> str:
    """Whether the integers are worse, or better, by more than chance.

    Raises:
        InvalidValueError: for a report without an account.
    """
    account = report.account
    if account is None:
        raise InvalidValueError("account of the report", "None", "one", "compare with causes")
    if not account.beyond_noise:
        return "no loss beyond the test set's noise"
    return "worse than float" if account.loss > 0 else "better than float"


def interaction_table(report: Report) -> Table:
    """Pairs of parts that together do other than the sum of both, the strongest first."""
    pairs = () if report.account is None else report.account.interactions
    sign = -1.0 if report.higher_is_better else 1.0
    rows = tuple(
        (
            pair.first,
            pair.second,
            change_text(report.metric, sign * pair.loss),
            interval_text(report.metric, *sorted((sign * pair.low, sign * pair.high))),
            "they lose the same" if pair.loss < 0 else "worse together",
        )
        for pair in pairs
    )
    header = ("part", "with", "beyond both", "of all such pairs, 95 %", "")
    return Table(f"Parts that interact{of_the_first(report)}", header, rows)


def cause_table(report: Report) -> Table:
    """Every cause alone, worst first."""
    rows = tuple(
        (
            cause.name,
            score_text(report.metric, cause.score),
            change_text(report.metric, cause.score - report.ladder[0].score),
            f"{100 * cause.output_error:.3g} %",
            f"{cause.samples:,}",
        )
        for cause in report.causes
    )
    header = ("only this rounded", report.metric, "change", "outputs move by", "samples")
    return Table(f"Every cause alone{of_the_first(report)}", header, rows)


def saturation_table(report: Report) -> Table:
    """Values that did not fit their word."""
    rows = tuple(
        (f"{population} {variable}", f"{count:,}")
        for population, counts in report.saturations.items()
        for variable, count in counts.items()
    )
    return Table("Saturations", ("variable", "values"), rows)


def utilization_table(report: Report) -> Table:
    """Used and available resources of the target."""
    rows = tuple(
        (name, f"{used:,}", f"{limit:,}" if limit else "no limit")
        for name, (used, limit) in report.utilization.items()
    )
    return Table(f"Resources of {report.target}", ("resource", "used", "limit"), rows)


def range_table(report: Report) -> Table:
    """Integers that occurred against those that can be represented."""
    rows = tuple(
        (
            entry.name,
            f"{entry.low:,} to {entry.high:,}",
            f"{entry.minimum:,} to {entry.maximum:,}",
            str(entry.bits_unused),
        )
        for entry in (*report.weight_ranges, *report.state_ranges)
    )
    header = ("weights or state", "occurred", "representable", "bits unused")
    return Table("Ranges", header, rows)


def quantized_tables(made: QuantizationReport) -> tuple[Table, ...]:
    """What quantization made of every tensor, decay and state, and the limits it was allowed."""
    allowed = tuple((text,) for text in made.allowed)
    tensors = tuple(
        (
            row.name,
            f"{row.size:,}",
            f"{row.clipped:,}",
            f"{row.zeroed:,}",
            f"{100 * row.error:.3g} %",
            f"{100 * row.worst_error:.3g} %",
            str(row.worst),
        )
        for row in made.tensors
    )
    decays = tuple(
        (
            row.name,
            f"{row.asked:.6g}",
            f"{row.got:.6g}",
            error_text(row.error),
            str(row.neuron),
            str(row.lost),
            str(row.gained),
        )
        for row in made.decays
    )
    states = tuple(
        (
            row.name,
            row.effect,
            "all" if row.band is None else f"{row.band:.3g}",
            f"{row.in_use:.3g}" if row.calibrated else f"{row.in_use:.3g} at worst",
            f"{row.register:.3g}",
            str(row.neuron),
        )
        for row in made.states
    )
    sent = tuple(
        (row.name, f"{row.unit:.3g}", f"{row.in_use:.3g}", str(row.silent), str(row.neuron))
        for row in made.messages
    )
    error = ("error", "largest of a neuron", "neuron")
    leak = ("leak", "asked", "got", "off by", "neuron", "lost", "gained")
    step = ("message", "step", "in use", "silent neurons", "quietest neuron")
    band = ("state", "in the band it", "band", "in use", "register", "neuron")
    return (
        Table("Limits exceeded and allowed", ("limit",), allowed),
        Table("Rounded tensors", ("tensor", "values", "clipped", "became 0", *error), tensors),
        Table("Leaks per step", leak, decays),
        Table("States that do not decay", band, states),
        Table("Rounded messages", step, sent),
    )


def error_text(error: float) -> str:
    """Relative error in per cent.

    >>> error_text(0.1234), error_text(float("inf"))
    ('12.3 %', 'no leak was asked for')
    """
    return f"{100 * error:.3g} %" if error < float("inf") else "no leak was asked for"


def advice_table(report: Report, most: int | None = None) -> Table:
    """What may be done about the loss, the cheapest first, or the ``most`` first of it."""
    rows = tuple(
        (
            advice.what,
            change_text(report.metric, advice.gain),
            advice.cost,
            advice.command,
        )
        for advice in report.advice[:most]
    )
    header = ("what may help", "expected", "costs", "command")
    return Table("What to do about it", header, rows)


def provenance_table(report: Report) -> Table:
    """Where the network comes from."""
    shown = () if report.quantization is None else (KEY,)
    rows = tuple((key, text) for key, text in report.provenance.items() if key not in shown)
    return Table("Provenance", ("key", "value"), rows)


TABLES = (
    bound_table,
    score_table,
    ladder_table,
    account_table,
    interaction_table,
    advice_table,
    cause_table,
    spike_table,
    drift_table,
    saturation_table,
    utilization_table,
    range_table,
    provenance_table,
)
"""All tables of what was measured, in reading order; what quantization made comes before the last.
Those without rows are left out."""


def tables(report: Report) -> tuple[Table, ...]:
    """All tables of a report that have rows."""
    made = report.quantization
    own = quantized_tables(made) if made is not None else ()
    *measured, provenance = (make(report) for make in TABLES)
    return tuple(table for table in (*measured, *own, provenance) if table.rows)


def title(report: Report) -> str:
    """What was compared, in one line."""
    return f"{report.task or 'network'} on {report.target}: float against integer"


def summary(report: Report) -> str:
    """The result in one sentence."""
    scores, metric = report.scores, report.metric
    text = (
        f"{score_text(metric, scores['float64'])} in float, "
        f"{score_text(metric, scores[report.reference])} in integers"
    )
    if metric not in KNOWN_METRICS:
        text = f"{metric}: {text}"
    if report.reference != "integer":
        text = f"{text} (of {report.reference}; integer ran {report.samples['integer']:,} samples)"
    if not report.exact:
        return f"{text}; no other engine was compared."
    compared = sum(exact.compared for exact in report.exact.values())
    others = " and ".join(report.exact)
    return (
        f"{text}; {report.mismatches:,} of {compared:,} integers of {others} "
        "differ from the bit specification."
    )
