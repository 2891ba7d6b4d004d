"""Adapt a network to a stream of samples with a named engine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.origin import fingerprint, require_begun
from ltc2hw.learning.rule import FPTTRule
from ltc2hw.learning.scope import require_reach, scope_of, with_scope
from ltc2hw.learning.words import PlasticWords
from ltc2hw.numbers.scalars import shown
from ltc2hw.registry import DEFAULT_LEARNER, find_learner


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
    allow: Collection[str] = (),
    lengths: npt.ArrayLike | None = None,
) -> Learned[Any]:
    """Learn a stream of S samples x (T, S, N_in), one after the other, an update every step.

    ``targets``: labels (S,) for the softmax error, reals (S, N_out) for the linear one, wanted at
    every step; or one for each step, labels (T, S), where -1 is none, and reals (T, S, N_out),
    where NaN is none. A step without one runs the network and changes nothing that learns.
    ``lengths`` (S,) are the steps of samples that end before T: nothing after an end is run.
    Errors are those of ``network.output``; of several readouts
    :meth:`~ltc2hw.graph.network.Network.with_output` chooses another.

    A :class:`~ltc2hw.graph.network.Network` learns in real numbers: ``engine="float64"`` is the
    readable reference, ``"fast"`` the same rule compiled, equal to rounding. A
    :class:`~ltc2hw.graph.fixed.FixedNetwork` learns in the integers of ``words``: ``"integer"`` is
    the readable specification, ``"fast"`` the same bits compiled. ``reset`` clears the registers
    before each sample; ``learning`` (``learned.learning`` of an earlier run) goes on with its
    memories.

    What no error reaches is held: ``learned.held`` and the provenance of ``learned.network`` say
    what and why. Where that holds weights of the samples, nothing is learned unless the rule names
    its ``ports`` or ``allow`` holds ``"partial-learning"``.

    Raises:
        UnknownNameError: for an unknown engine, populations and ports that do not exist, or a
            change to allow that does not.
        InvalidValueError: for an engine that does not run this kind of network, samples, lengths,
            labels or targets that do not fit, a rule that integers cannot run, no plastic path, a
            state to go on from that is not one of this network, rule and words.
        ShapeError: for samples, lengths, targets, memories or registers of the wrong shape.
        TrainingError: if learning in real numbers diverges.
        UnsupportedError: for populations that an engine cannot learn in, or weights of the samples
            that no error reaches.
    """
    chosen = FPTTRule() if rule is None else rule
    for name, value, kinds in (
        ("network to learn", network, (Network, FixedNetwork)),
        ("rule", chosen, (FPTTRule,)),
        ("words", words, (PlasticWords, type(None))),
        ("learning engine", engine, (str, type(None))),
    ):
        if not isinstance(value, kinds):
            names = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
            raise InvalidValueError(name, shown(value), f"a {names}")
    is_float = not isinstance(network, FixedNetwork)
    run = find_learner(engine or DEFAULT_LEARNER, is_float=is_float)
    scope = scope_of(network, chosen)
    require_reach(scope, chosen, allow)
    if not isinstance(network, FixedNetwork):
        if words is not None:
            raise InvalidValueError("words", words, "None for a float network")
        result: Learned[Any] = run(
            network, x, targets, chosen, learning, reset=reset, lengths=lengths
        )
    else:
        origin = fingerprint(network)
        require_begun(learning, origin)
        result = run(network, x, targets, chosen, words, learning, reset=reset, lengths=lengths)
        result = replace(result, learning=replace(result.learning, begun=origin))
    return with_scope(result, scope)
