"""Adapt a network to a stream of samples with a named engine."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.fixed import FixedNetwork
from ltc2hw.learned import Learned, Learning
from ltc2hw.network import Network
from ltc2hw.plasticity import FPTTRule
from ltc2hw.plasticity_words import PlasticWords
from ltc2hw.registry import find_learner, require_kind


def learn(
    network: Network | FixedNetwork,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule | None = None,
    words: PlasticWords | None = None,
    engine: str | None = None,
    learning: Learning | None = None,
    *,
    reset: bool = True,
) -> Learned[Any]:
    """Learn a stream of S samples x (T, S, N_in), one after the other, an update every step.

    ``targets``: labels (S,) for the softmax error, reals (S, N_out) for the linear one. A
    :class:`~ltc2hw.network.Network` learns in real numbers (``engine="float64"``), a
    :class:`~ltc2hw.fixed.FixedNetwork` in the integers of ``words``: ``"integer"`` is the readable
    specification, ``"fast"`` the same bits compiled. ``reset`` clears the registers before each
    sample; ``learning`` (``learned.learning`` of an earlier run) goes on with its memories.

    Raises:
        UnknownNameError: for an unknown engine, or populations and ports that do not exist.
        InvalidValueError: for an engine that does not run this kind of network, samples, labels or
            targets that do not fit, a rule that integers cannot run, no plastic path.
        ShapeError: for samples, targets or registers of the wrong shape.
        TrainingError: if learning in real numbers diverges.
        UnsupportedError: for populations that an engine cannot learn in.
    """
    is_float = isinstance(network, Network)
    name = engine or ("float64" if is_float else "fast")
    run = find_learner(name)
    require_kind("learning engine", name, is_float=is_float, otherwise="use integer or fast")
    chosen = rule or FPTTRule()
    if is_float:
        if words is not None:
            raise InvalidValueError("words", words, "None for a float network")
        result: Learned[Any] = run(network, x, targets, chosen, learning, reset=reset)
        return result
    result = run(network, x, targets, chosen, words, learning, reset=reset)
    return result
