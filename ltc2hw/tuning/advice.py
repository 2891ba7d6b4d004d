"""Advice: for what a network loses, the cheapest remedies first, each as a command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ltc2hw.comparison.account import Account
from ltc2hw.comparison.advice import Advice
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.target import Target
from ltc2hw.numbers.words import TERNARY, FloatArray
from ltc2hw.quantization.history import read_source
from ltc2hw.quantization.mixing import Kind, parts
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.registry import find_target
from ltc2hw.tuning.candidate import Calibration, Candidate
from ltc2hw.tuning.commands import Names, quantize_command, train_command, tune_command
from ltc2hw.tuning.losses import Loss, losses_of
from ltc2hw.tuning.made_with import made_with
from ltc2hw.tuning.remedies import Change, offered
from ltc2hw.tuning.situation import Situation

LEAST_SHARE = 0.25
"""Part of a loss that a remedy must promise to come before those that cost something."""

LEAST_GAIN = 0.02
"""Part of the whole loss below which a remedy is not worth a line."""

TRAIN = "train"
"""The remedy that this package does not do itself."""

TRAINING_SHARE = 0.8
"""What training through rounded weights won back of networks of digits, at two bits."""

TRAINED = range(2, 25)
"""Widths of weights that are trained through, in bits."""


def advise(
    account: Account,
    network: Network,
    fixed: FixedNetwork,
    target: str | Target,
    *,
    samples: FloatArray | None = None,
    names: Names | None = None,
    options: QuantizeOptions | None = None,
) -> tuple[Advice, ...]:
    """What to do about the losses of an account, the most that costs nothing first.

    ``samples`` (T, B, N_in) like those to come say whether the input's scale fits; ``names`` are
    those of files in commands, and of the task, which ``fixed`` may tell if left out; ``options``
    are those that ``fixed`` was quantized with, which are read from it if left out. A network that
    loses nothing beyond noise needs no advice.

    Raises:
        UnknownNameError: for an unknown target.
    """
    chip, called = find_target(target), names or names_of(fixed)
    if not (account.beyond_noise and account.loss > 0):
        return ()
    found = losses_of(account, parts(network, fixed))
    asked = options or made_with(network, fixed, chip)
    situation = Situation(network, fixed, asked, chip, samples)
    wishes = list(_wishes(found, situation, account.loss))
    advice = [_put(wish, asked, network, called) for wish in sorted(wishes, key=_order)]
    return (*advice, *_training(found, situation, account.loss, called))


def names_of(fixed: FixedNetwork) -> Names:
    """What commands about a network say that was quantized: its task, if it has one."""
    source = read_source(fixed.provenance)
    if source is None or source.origin != "task":
        return Names(target=fixed.target, calibrated=source)
    return Names(target=fixed.target, task=source.name, data=source.data, calibrated=source)


@dataclass(frozen=True)
class _Wish:
    """A change, the parts that it mends, and what of the score they have lost."""

    change: Change
    parts: tuple[str, ...]
    lost: float
    rank: int

    @property
    def gain(self) -> float:
        """What may be won back."""
        return self.lost * self.change.share


def _wishes(found: tuple[Loss, ...], situation: Situation, whole: float) -> Iterator[_Wish]:
    """The first change of every remedy for each part; one for all parts where it mends all."""
    changes: dict[str, Change] = {}
    mended: dict[str, list[Loss]] = {}
    for loss in found:
        remedies: set[str] = set()
        for change in offered(situation, loss.part):
            if change.remedy not in remedies and change.share > 0:
                remedies.add(change.remedy)
                changes.setdefault(change.what, change)
                mended.setdefault(change.what, []).append(loss)
    for rank, (what, change) in enumerate(changes.items()):
        lost = sum(max(loss.share, loss.removed) for loss in mended[what])
        names = tuple(str(loss.part) for loss in mended[what])
        if lost * change.share >= LEAST_GAIN * whole:
            yield _Wish(change, names, min(lost, whole), rank)


def _order(wish: _Wish) -> tuple[bool, float, int]:
    """Smaller ones come first."""
    cheap = wish.change.is_free and wish.change.share >= LEAST_SHARE
    return not cheap, -wish.gain, wish.rank


def _put(wish: _Wish, asked: QuantizeOptions, network: Network, names: Names) -> Advice:
    change = wish.change
    if change.by_hand:
        unseen = Calibration(np.zeros((1, 1, network.input.size)))
        after = change.apply(Candidate(network, asked, unseen))
        command = quantize_command(names, after.options)
    else:
        command = tune_command(names, asked, change.remedy)
    cost = "nothing" if change.is_free else f"{change.added:,} bytes"
    return Advice(change.remedy, wish.parts, change.what, wish.gain, cost, command)


def _training(
    found: tuple[Loss, ...], situation: Situation, whole: float, names: Names
) -> Iterator[Advice]:
    """Training through the rounding: of weights, where they alone cost something, or of all."""
    costly = [loss for loss in found if loss.share > 0]
    weights = all(loss.part.kind is Kind.WEIGHTS for loss in costly)
    if costly:
        gain = TRAINING_SHARE * min(whole, sum(loss.share for loss in costly))
        mended = tuple(str(loss.part) for loss in costly)
        asked = trained_through(situation)
        # Widths by name are those of training through all rounding.
        everything = not weights or bool(asked.bits) or asked.weight_bits is None
        through = "all that the chip rounds" if everything else "rounded weights"
        what = f"trained further, through {through}"
        command = train_command(names, asked, everything=everything)
        yield Advice(TRAIN, mended, what, gain, "training", command)


def trained_through(situation: Situation) -> QuantizeOptions:
    """The options that training has of those of quantization.

    The width of weights is always said: a task's own recipe may have another one.
    """
    asked, chip = situation.options, situation.chip
    common = QuantizeOptions(weight_bits=asked.weight_bits)
    usual = common.width_of(situation.network.projections[0], chip)
    return QuantizeOptions(
        weight_bits=usual if usual == TERNARY or int(usual) in TRAINED else None,
        fine_states=asked.fine_states,
        bits={**(asked.projection_bits or {}), **asked.bits},
    )
