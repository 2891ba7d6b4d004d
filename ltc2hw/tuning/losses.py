"""What each part of an integer network costs, by the account of a comparison."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ltc2hw.comparison.account import Account, Amount
from ltc2hw.comparison.explaining import Explanation
from ltc2hw.comparison.mixtures import Outcome
from ltc2hw.comparison.progress import Progress
from ltc2hw.comparison.samples import Samples
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.quantization.mixing import Part

MOST_SAMPLES = 256
"""Samples that say what parts cost: they order remedies, which are then judged on all."""


@dataclass(frozen=True)
class Loss:
    """What a part costs: its share of the lost score and of the outputs' error.

    ``share`` is 0 where it is within noise; ``removed``: what is won back if it alone is exact.

    >>> from ltc2hw.quantization.mixing import Kind
    >>> Loss(Part(Kind.INPUT, "input"), 0.02, 0.01, 0.5).promise
    (0.02, 0.5)
    """

    part: Part
    share: float
    removed: float
    error: float

    @property
    def promise(self) -> tuple[float, float]:
        """What to order by: a sure share of the score, then the error."""
        return self.share, self.error


LEAST = 0.01
"""Part of the outputs' error below which nobody needs a remedy."""


def losses_of(account: Account, parts: Collection[Part]) -> tuple[Loss, ...]:
    """The parts that cost more than :data:`LEAST` of the loss, the dearest first.

    Where an account has several parts in one row, each has as much of it as the others.
    """
    named = {str(part): part for part in parts}
    least = LEAST * account.error
    found = [loss for loss in _rows(account, named) if loss.share > 0 or loss.error > least]
    return tuple(sorted(found, key=lambda loss: loss.promise, reverse=True))


def _rows(account: Account, named: Mapping[str, Part]) -> Iterator[Loss]:
    for row in account.shares:
        for name in row.parts:
            if name in named:
                count = len(row.parts)
                yield Loss(
                    named[name],
                    sure(row.score) / count,
                    row.score.removed / count,
                    max(row.error.share, 0.0) / count,
                )


def sure(amount: Amount) -> float:
    """A share that is more than noise, else 0.

    >>> sure(Amount(0.02, 0.01, 0.03, 0.0, 0.0)), sure(Amount(0.02, -0.01, 0.05, 0.0, 0.0))
    (0.02, 0.0)
    """
    return amount.share if amount.low > 0.0 else 0.0


def accounted(
    network: Network,
    fixed: FixedNetwork,
    samples: Samples,
    integers: Outcome,
    saturations: Mapping[str, Mapping[str, int]],
    progress: Progress,
) -> Account | None:
    """The account of some samples; None where nothing differs.

    ``integers`` and ``saturations`` are those of the integer run of them.
    """
    explanation = Explanation(network, fixed, samples)
    explanation.run(saturations, progress)
    return explanation.account(integers)
