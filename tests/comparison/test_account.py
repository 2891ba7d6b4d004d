"""The account: it sums to the loss, names what was planted, and knows how sure it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.comparison.account import OTHER, Account, Design, make_account
from ltc2hw.comparison.compare import CompareOptions, compare
from ltc2hw.comparison.mixtures import FLOAT, Mixtures, Outcome, Outcomes
from ltc2hw.comparison.report import Report
from ltc2hw.comparison.samples import Samples
from ltc2hw.comparison.screening import (
    chosen_players,
    idle_parts,
    screened,
    screening_mixtures,
)
from ltc2hw.comparison.shapley import share_weights
from ltc2hw.comparison.tables import account_table, interaction_table, loss_text
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.decision import Classification
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.mixing import Kind, parts
from ltc2hw.quantization.scaling import QuantizeOptions
from tests.random_networks import GATE_KINDS, random_network

EVERY_LIMIT = tuple(LIMITS)


def answers(network: Network, x: FloatArray) -> IntArray:
    """What the float network answers."""
    chosen: IntArray = ltc2hw.simulate(network, x).outputs[-1].argmax(axis=1)
    return chosen


def account_of(network: Network, fixed: FixedNetwork, x: FloatArray, labels: object) -> Account:
    found = compare(network, fixed, x, labels, ("integer",)).account
    assert found is not None
    return found


def assert_adds_up(report: Report) -> None:
    account = report.account
    assert account is not None
    assert account.loss == pytest.approx(report.lost, abs=1e-15)
    assert sum(s.score.share for s in account.shares) == pytest.approx(report.lost, abs=1e-12)
    error = sum(share.error.share for share in account.shares)
    assert error == pytest.approx(account.error, rel=1e-9, abs=1e-15)
    for share in account.shares:
        for amount in (share.score, share.error):
            assert amount.low <= amount.share <= amount.high
    names = [name for share in account.shares for name in share.parts]
    assert len(names) == len(set(names))


@pytest.fixture(scope="module")
def coarse() -> tuple[Network, FixedNetwork, FloatArray, IntArray]:
    """Weights of three bits, which cost many answers."""
    rng = np.random.default_rng(7)
    network = random_network(rng, hidden=(12,), outputs=4)
    x = rng.uniform(-1, 1, (7, 120, 5))
    labels = answers(network, x)
    fixed = ltc2hw.quantize(network, "loihi2", x, QuantizeOptions(weight_bits=3))
    return network, fixed, x, labels


@pytest.fixture(scope="module")
def report(coarse: tuple[Network, FixedNetwork, FloatArray, IntArray]) -> Report:
    return compare(*coarse, engines=("integer",))


def test_shares_sum_to_the_loss(
    report: Report, coarse: tuple[Network, FixedNetwork, FloatArray, IntArray]
) -> None:
    network, fixed, x, _ = coarse
    account = report.account
    assert account is not None
    assert_adds_up(report)
    assert account.beyond_noise
    assert account.low > 0.1
    assert {n for s in account.shares for n in s.parts} == {str(p) for p in parts(network, fixed)}
    targets = ltc2hw.simulate(network, x).outputs[-1] + 0.1
    squares = compare(network, fixed, x, targets, ("integer",))
    assert_adds_up(squares)
    assert squares.account is not None
    assert squares.account.chance is None
    assert squares.account.low < squares.account.loss < squares.account.high


def test_alone_and_removed_are_runs_of_these_mixtures(
    report: Report, coarse: tuple[Network, FixedNetwork, FloatArray, IntArray]
) -> None:
    network, fixed, x, labels = coarse
    assert report.account is not None
    mixtures = Mixtures(network, fixed)
    samples = Samples(x, labels, None, Classification(1))
    everything = frozenset(mixtures.parts)
    by_name = {str(part): part for part in mixtures.parts}
    taken = [frozenset(by_name[n] for n in share.parts) for share in report.account.shares]
    wanted = {everything, *taken, *(everything - own for own in taken)}
    found = mixtures.run(wanted, samples, lambda count: None).of
    before = found[FLOAT].verdicts.mean()
    for share, own in zip(report.account.shares, taken, strict=True):
        assert share.score.alone == pytest.approx(before - found[own].verdicts.mean())
        won = found[everything - own].verdicts.mean() - found[everything].verdicts.mean()
        assert share.score.removed == pytest.approx(won)
        assert share.error.alone == pytest.approx(
            found[own].moved.mean() / found_square(network, x)
        )


def found_square(network: Network, x: FloatArray) -> float:
    return float(np.mean(ltc2hw.simulate(network, x).outputs ** 2))


def test_it_costs_what_it_says(
    coarse: tuple[Network, FixedNetwork, FloatArray, IntArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, fixed, x, labels = coarse
    assert len(parts(network, fixed)) >= 20
    ran: list[int] = []
    own = Mixtures.run

    def counted(self: Mixtures, mixtures: object, samples: Samples, tell: object) -> Outcomes:
        return own(self, mixtures, samples, ran.append)  # type: ignore[arg-type]

    monkeypatch.setattr(Mixtures, "run", counted)
    found = compare(network, fixed, x, labels, ("integer",))
    assert found.account is not None
    assert 20 < found.account.evaluations <= 30
    # Float and all parts are sets of the account, the integers are not run, and others may be both.
    stages = len(found.ladder) - 3
    assert 0 <= sum(ran) / 120 - found.account.evaluations <= stages
    few = compare(network, fixed, x, labels, ("integer",), options=CompareOptions(account_runs=12))
    assert few.account is not None
    assert few.account.evaluations <= 12
    assert_adds_up(few)


def test_the_same_twice(
    report: Report, coarse: tuple[Network, FixedNetwork, FloatArray, IntArray]
) -> None:
    assert compare(*coarse, engines=("integer",)).to_dict() == report.to_dict()


def test_an_outlier_is_named() -> None:
    """One weight that no sample uses makes the grid of all others too coarse."""
    rng = np.random.default_rng(0)
    network = random_network(rng, hidden=(16,), gate="static", outputs=4)
    x = rng.uniform(-1, 1, (8, 120, 5))
    x[:, :, 4] = 0.0
    wire = network.projections[0]
    values = np.array(wire.weights.values)
    values[4] = 40 * np.abs(values).max()
    changed = replace(wire, weights=wire.weights.with_values(values))
    network = replace(network, projections=(changed, *network.projections[1:]))
    fixed = ltc2hw.quantize(network, "loihi2", x[:, :30], QuantizeOptions(allow=EVERY_LIMIT))
    account = account_of(network, fixed, x, answers(network, x))
    first = account.shares[0]
    assert first.name == "input.value->hidden0.current weights"
    assert first.score.low > 0.5 * account.loss > 0.05


def test_a_lost_leak_is_named() -> None:
    """A membrane so slow that what a step adds is below a unit: nothing arrives in the readout."""
    rng = np.random.default_rng(2)
    network = random_network(rng, hidden=(16,), gate="static", outputs=4)
    x = rng.uniform(-1, 1, (12, 120, 5))
    readout = network.population("readout")
    assert isinstance(readout, Neurons)
    slow = readout.with_constants({"tau_mem.bias": -12.0})
    network = replace(network, populations=(*network.populations[:-1], slow))
    fixed = ltc2hw.quantize(network, "loihi2", x, QuantizeOptions(allow=EVERY_LIMIT))
    account = account_of(network, fixed, x, answers(network, x))
    assert account.shares[0].name == "readout membrane word"
    assert account.shares[0].score.low > 0.3
    # The chip's gate is far from as slow, which hides what the word loses.
    hidden = account.interactions[0]
    assert {hidden.first, hidden.second} == {"readout membrane word", "readout tau_mem function"}
    assert hidden.high < 0


def test_a_clipped_input_is_named() -> None:
    rng = np.random.default_rng(2)
    network = random_network(rng, hidden=(16,), gate="static", outputs=4)
    x = rng.uniform(-1, 1, (8, 120, 5))
    fixed = ltc2hw.quantize(network, "loihi2", x / 8, QuantizeOptions(allow=EVERY_LIMIT))
    account = account_of(network, fixed, x, answers(network, x))
    assert account.shares[0].name == "input samples"
    assert account.shares[0].score.low > 0.3 * account.loss > 0.03


def test_no_loss_beyond_noise_is_said_and_ranked_by_the_outputs() -> None:
    rng = np.random.default_rng(4)
    network = random_network(rng, gate="dense")
    x = rng.integers(-128, 128, (6, 40, 5)) / 128
    fixed = ltc2hw.quantize(network, "ideal", x)
    found = compare(network, fixed, x, answers(network, x), ("integer",))
    assert_adds_up(found)
    assert found.account is not None
    assert not found.account.beyond_noise
    assert loss_text(found) == "no loss beyond the test set's noise"
    assert account_table(found).title == "Account: no loss beyond the test set's noise"
    errors = [share.error.share for share in found.account.shares if len(share.parts) == 1]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0


def test_integers_of_another_network_leave_a_remainder(
    coarse: tuple[Network, FixedNetwork, FloatArray, IntArray],
) -> None:
    """What all parts together do not explain has a row of its own."""
    network, fixed, x, labels = coarse
    design, found = measured(network, fixed, Samples(x, labels, None, Classification(1)))
    whole = found.of[frozenset(parts(network, fixed))]
    verdicts = whole.verdicts.copy()
    verdicts[np.flatnonzero(verdicts)[:6]] = 0.0
    foreign = Outcome(verdicts, whole.moved + 0.25 * found.square)
    account = make_account(design, found, foreign, 0.0, higher_is_better=True)
    *others, last = account.shares
    assert (last.name, last.parts) == (OTHER, ())
    assert last.score.share == pytest.approx(6 / 120)
    assert last.error.share == pytest.approx(0.25)
    assert account.loss == pytest.approx(1.0 - verdicts.mean())
    assert sum(s.score.share for s in others) == pytest.approx(1.0 - whole.verdicts.mean())
    own = make_account(design, found, whole, 0.0, higher_is_better=True)
    assert OTHER not in {share.name for share in own.shares}


def measured(
    network: Network, fixed: FixedNetwork, samples: Samples, most: int = 5, runs: int = 20
) -> tuple[Design, Outcomes]:
    """An account's sets of few players, all of them run."""
    mixtures = Mixtures(network, fixed)
    few = screened(samples, 40, 30)
    screen = mixtures.run(screening_mixtures(mixtures.parts, ()), few, lambda count: None)
    players = chosen_players(mixtures.parts, (), screen, most)
    design = Design.of(players, runs)
    every = Design(players, tuple(range(1 << len(players))))
    return design, mixtures.run(every.mixtures, samples, lambda count: None)


def test_exact_shares_lie_within_the_intervals_as_often_as_promised() -> None:
    """Shares of all sets on many samples, against accounts of few sets on some of these."""
    inside: dict[str, list[bool]] = {"score": [], "error": []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        network = random_network(
            rng, hidden=(8,), outputs=4, gate=GATE_KINDS[seed % 3],
            model="LTC" if seed % 2 else "LIF",
        )  # fmt: skip
        x = rng.uniform(-1, 1, (6, 500, 5))
        options = QuantizeOptions(weight_bits=int(rng.integers(2, 5)), allow=EVERY_LIMIT)
        fixed = ltc2hw.quantize(network, "loihi2", x[:, :50], options)
        labels = answers(network, x)
        wrong = rng.random(500) < 0.1
        labels[wrong] = rng.integers(0, 4, wrong.sum())
        design, found = measured(network, fixed, Samples(x, labels, None, Classification(1)))
        every = [design.mixture(chosen) for chosen in range(1 << len(design.players))]
        weights = share_weights(len(design.players))
        runs = [found.of[mixture] for mixture in every]
        scores = weights @ [1.0 - run.verdicts.mean() for run in runs]
        errors = weights @ [run.moved.mean() / found.square for run in runs]
        exact = {p.name: (s, e) for p, s, e in zip(design.players, scores, errors, strict=True)}
        for _ in range(8):
            drawn = rng.integers(0, 500, 120)
            some = Outcomes(
                {m: Outcome(o.verdicts[drawn], o.moved[drawn]) for m, o in found.of.items()},
                found.square,
            )
            whole = some.of[every[-1]]
            account = make_account(design, some, whole, 0.0, higher_is_better=True)
            for share in account.shares:
                score, error = exact[share.name]
                inside["score"].append(share.score.low <= score <= share.score.high)
                inside["error"].append(share.error.low <= error <= share.error.high)
    assert 0.93 <= np.mean(inside["score"]) <= 1.0
    assert 0.90 <= np.mean(inside["error"]) <= 1.0


def test_two_parts_that_lose_the_same_are_named_together() -> None:
    """Input and first weights both destroy what the network hears: either is enough."""
    rng = np.random.default_rng(2)
    network = random_network(rng, hidden=(16,), gate="static", outputs=4)
    x = rng.uniform(-1, 1, (8, 150, 5))
    options = QuantizeOptions(
        projection_bits={"input.value->hidden0.current": 2}, allow=EVERY_LIMIT
    )
    fixed = ltc2hw.quantize(network, "loihi2", x / 8, options)
    found = compare(network, fixed, x, answers(network, x), ("integer",))
    assert found.account is not None
    pair = found.account.interactions[0]
    assert {pair.first, pair.second} == {"input samples", "input.value->hidden0.current weights"}
    assert pair.high < 0
    table = interaction_table(found)
    assert table.rows[0][:2] == (pair.first, pair.second)
    assert table.rows[0][-1] == "they lose the same"


def test_saturations_that_never_happened_are_with_the_others(
    report: Report, coarse: tuple[Network, FixedNetwork, FloatArray, IntArray]
) -> None:
    network, fixed, _, _ = coarse
    idle = idle_parts(parts(network, fixed), report.saturations)
    assert idle
    assert {part.kind for part in idle} == {Kind.SATURATION}
    assert report.account is not None
    (others,) = [share for share in report.account.shares if len(share.parts) > 1]
    assert {str(part) for part in idle} <= set(others.parts)
    assert others.name == f"others ({len(others.parts)} parts)"


def test_reports_hold_the_account(report: Report, tmp_path: Path) -> None:
    assert report.account is not None
    for suffix in (".json", ".md"):
        report.save(tmp_path / f"report{suffix}")
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["account"]
    assert told == report.account.to_dict()
    assert told["shares"][0]["score"]["share"] == report.account.shares[0].score.share
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## Account: worse than float" in text
    table = account_table(report, 2)
    assert [row[0] for row in table.rows] == [
        *(share.name for share in report.account.shares[:2]), "all together",
    ]  # fmt: skip
    whole = table.rows[-1]
    assert whole[1] == f"{-100 * report.lost:+.2f} points"
    assert whole[1] == whole[3]


def test_without_causes_there_is_no_account(
    coarse: tuple[Network, FixedNetwork, FloatArray, IntArray],
) -> None:
    found = compare(*coarse, engines=("integer",), options=CompareOptions(causes=False))
    assert found.account is None
    assert found.to_dict()["account"] is None
    assert account_table(found).rows == interaction_table(found).rows == ()
    with pytest.raises(InvalidValueError, match="account of the report"):
        loss_text(found)
    for runs in (9, 0, 12.5, None):
        with pytest.raises(InvalidValueError, match="runs of the account"):
            CompareOptions(account_runs=runs)  # type: ignore[arg-type]


def test_stages_have_intervals(report: Report) -> None:
    first, *others, last = report.ladder
    assert (first.low, first.high) == (0.0, 0.0)
    for stage in (*others, last):
        assert stage.low <= stage.score - first.score <= stage.high
    assert report.account is not None
    assert (-last.high, -last.low) == (report.account.low, report.account.high)
