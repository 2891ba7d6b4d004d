"""Where candidates are tried: measured once, kept in a trail, never measured again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ltc2hw.comparison.progress import Progress
from ltc2hw.errors import DamagedFileError, HardwareRuleError, InvalidValueError
from ltc2hw.graph.network import Network
from ltc2hw.graph.target import Target
from ltc2hw.tuning.candidate import Candidate, Quantized
from ltc2hw.tuning.cost import footprint
from ltc2hw.tuning.judging import Judge, Judged
from ltc2hw.tuning.material import Material
from ltc2hw.tuning.noise import Paired
from ltc2hw.tuning.trail import Trail, Trial

TRYING = "trials"
"""What progress calls them."""


@dataclass(frozen=True, eq=False)
class Standing:
    """A candidate with its integers and what the samples say of them.

    ``operations``: synaptic ones of a sample, on average.
    """

    candidate: Candidate
    quantized: Quantized
    judged: Judged
    lost: Paired
    operations: float


class Bench:
    """Tries candidates of one float network on one target with the same validation samples."""

    def __init__(
        self,
        network: Network,
        chip: Target,
        material: Material,
        trail: Trail,
        budget: int,
        progress: Progress,
    ) -> None:
        self.network = network
        self.chip = chip
        self.material = material
        self.trail = trail
        self.budget = budget
        self.progress = progress
        self.judge = Judge(network, material.validation)
        self.progress(TRYING, 0, budget)

    @property
    def left(self) -> int:
        """Trials that the budget still has."""
        return self.budget - len(self.trail.trials)

    def measured(self, candidate: Candidate) -> Standing:
        """Quantize a candidate and judge it.

        Raises:
            HardwareRuleError, InvalidValueError: for one that a target cannot hold.
        """
        quantized = candidate.quantized(self.chip)
        judged, operations = self.judge.judged(quantized.fixed)
        return Standing(candidate, quantized, judged, self.judge.lost(judged), operations)

    def trial(
        self,
        what: str,
        remedy: str,
        candidate: Candidate,
        keeps: Callable[[Standing], bool],
        before: Judged | None = None,
    ) -> tuple[Trial, Standing | None]:
        """Try a candidate; what the trail knows of it is not measured again.

        ``keeps`` decides by what was measured; ``before`` is what gains are told against. There is
        no standing of what is only remembered, nor of what the target refuses.
        """
        known = self.trail.known(len(self.trail.trials))
        if known is not None:
            if known.what != what:
                raise DamagedFileError(
                    self.trail.path, f"it has trial {known.what} in the place of {what}",
                    "another version made it: delete it to start over",
                )  # fmt: skip
            return self._add(known), None
        try:
            standing = self.measured(candidate)
        except (HardwareRuleError, InvalidValueError) as error:
            return self._add(Trial(what, remedy, kept=False, refused=str(error))), None
        kept = keeps(standing)
        return self._add(self._told(what, remedy, standing, before, kept=kept)), standing

    def _add(self, trial: Trial) -> Trial:
        self.trail.add(trial)
        self.progress(TRYING, len(self.trail.trials), self.budget)
        return trial

    def _told(
        self, what: str, remedy: str, standing: Standing, before: Judged | None, *, kept: bool
    ) -> Trial:
        judged = standing.judged
        asked = standing.candidate.options.bits
        return Trial(
            what,
            remedy,
            kept,
            self.judge.score(judged),
            standing.lost,
            None if before is None else judged.gain(before),
            None if before is None else judged.closer(before),
            float(judged.errors.mean()),
            footprint(standing.quantized.fixed, self.chip, asked).total,
            standing.operations,
            standing.quantized.over,
        )

    def tested(self, plain: Quantized, found: Quantized) -> dict[str, float]:
        """Scores on the test samples, which are looked at here and nowhere else."""
        if self.material.test is None:
            return {}
        judge = Judge(self.network, self.material.test)
        scores = {
            name: judge.score(judge.judge(own.fixed))
            for name, own in (("plain", plain), ("tuned", found))
        }
        return {"float": judge.score(judge.real), **scores}
