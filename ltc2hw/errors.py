"""Every error that a user of ltc2hw can meet, under one root.

A message names the thing, its value, the limit and the remedy. The command line prints it on one
line and exits with status 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ltc2hw.extras import how_to_install


class Ltc2hwError(Exception):
    """Root of all errors raised on purpose by ltc2hw."""


class InvalidValueError(Ltc2hwError):
    """An argument, array or option that has no meaning here.

    Fields: ``name`` (what is wrong), ``value`` (what was given), ``limit`` (what would be right)
    and ``remedy`` (what to do about it).

    >>> print(InvalidValueError("delay", -1, "an integer >= 0", "use 0 for the same step"))
    delay is -1; expected an integer >= 0 (use 0 for the same step)
    """

    def __init__(self, name: str, value: object, limit: str, remedy: str = "") -> None:
        self.name = name
        self.value = value
        self.limit = limit
        self.remedy = remedy
        text = f"{name} is {value}; expected {limit}"
        super().__init__(f"{text} ({remedy})" if remedy else text)


class ShapeError(InvalidValueError):
    """An array whose shape does not fit its place in the network."""


class TooLargeError(InvalidValueError):
    """Something that would need more memory than a stated limit; nothing was allocated."""


class UnknownNameError(InvalidValueError):
    """A name (task, target, engine, population, key) that does not exist.

    >>> print(UnknownNameError("engine", "gpu", ("integer", "fast")))
    engine is 'gpu'; expected one of integer, fast
    """

    def __init__(self, name: str, value: str, known: Sequence[str], remedy: str = "") -> None:
        super().__init__(name, repr(value), f"one of {', '.join(known)}", remedy)


class DamagedFileError(Ltc2hwError):
    """A file that is truncated, foreign, altered or written by an unknown schema."""

    def __init__(self, path: object, problem: str, remedy: str = "") -> None:
        self.path = str(path)
        self.problem = problem
        self.remedy = remedy
        text = f"cannot read {path}: {problem}"
        super().__init__(f"{text} ({remedy})" if remedy else text)


class MissingExtraError(Ltc2hwError):
    """An optional component that is not installed; says what installs it here.

    >>> print(MissingExtraError("nir", "reading graphs"))  # doctest: +ELLIPSIS
    reading graphs needs the extra 'nir': pip install ...
    """

    def __init__(self, extra: str, purpose: str, detail: str = "") -> None:
        self.extra = extra
        self.purpose = purpose
        text = f"{purpose} needs the extra '{extra}': {how_to_install(extra)}"
        super().__init__(f"{text} ({detail})" if detail else text)


@dataclass(frozen=True)
class Violation:
    """One broken hardware rule: who breaks it, with what value, against which limit.

    >>> print(Violation("delay-bits", "hidden->hidden", "63", "62", "use a shorter delay"))
    [delay-bits] hidden->hidden: 63, limit 62 (use a shorter delay)
    """

    rule: str
    who: str
    value: str
    limit: str
    remedy: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.who}: {self.value}, limit {self.limit} ({self.remedy})"


class HardwareRuleError(Ltc2hwError):
    """A network that a target cannot hold; carries *all* violations, not just the first."""

    def __init__(self, target: str, violations: Sequence[Violation]) -> None:
        self.target = target
        self.violations = tuple(violations)
        listed = "; ".join(str(violation) for violation in self.violations)
        count = len(self.violations)
        plural = "rule is" if count == 1 else "rules are"
        super().__init__(f"{count} hardware {plural} broken on target {target!r}: {listed}")


class LavaError(Ltc2hwError):
    """Lava could not be built, run or finished; carries what Lava said."""

    def __init__(self, problem: str, detail: str = "") -> None:
        self.problem = problem
        self.detail = detail
        super().__init__(f"Lava: {problem}" + (f" ({detail})" if detail else ""))


class UnsupportedError(Ltc2hwError):
    """A feature that a converter or engine cannot keep, named instead of dropped.

    >>> print(UnsupportedError("netx", "population 'hidden'", "LTC neurons", "export to lava"))
    netx cannot express population 'hidden': LTC neurons (export to lava)
    """

    def __init__(self, where: str, node: str, feature: str, remedy: str) -> None:
        self.where = where
        self.node = node
        self.feature = feature
        self.remedy = remedy
        super().__init__(f"{where} cannot express {node}: {feature} ({remedy})")


class TrainingError(Ltc2hwError):
    """Training that diverged or cannot go on."""
