"""The Lava process of each projection: Lava's own connections with either sign of weight."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode

from ltc2hw.converters.lava.limits import MIXED_SIGN_BITS
from ltc2hw.graph.fixed import FixedNetwork, FixedProjection, message_word
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.operators import expanded
from ltc2hw.numbers.weights import Sparse as SparseWeights


def connection_recipe(
    network: FixedNetwork, projection: FixedProjection, delay: int
) -> tuple[type[AbstractProcess], dict[str, Any]]:
    """Lava's Dense or Sparse, or its delayed form where a message waits ``delay`` chip steps.

    Returns the class of the process and its arguments.

    Lava computes ``(weights @ message) << weight_exp``; a mantissa of n bits is the weight
    ``m << (9 - n)``, so ``weight_exp = exponent - (9 - n)``. ``num_message_bits`` is 0 for spikes.
    """
    alignment = MIXED_SIGN_BITS - projection.bits
    graded = projection.variable != "spikes"
    word = message_word(network.population(projection.source), projection.variable)
    options: dict[str, Any] = {
        "num_weight_bits": projection.bits,
        "weight_exp": projection.exponent - alignment,
        "sign_mode": SignMode.MIXED,
        "num_message_bits": word.bits if graded else 0,
        "name": connection_name(projection),
    }
    kept = expanded(projection.weights)
    weights = kept.with_values(kept.values << alignment)
    if isinstance(weights, SparseWeights):
        matrix = weights.to_scipy()
        if delay == 0:
            return Sparse, {"weights": matrix, **options}
        waits = matrix.copy()
        waits.data = np.full_like(matrix.data, delay)
        return DelaySparse, {"weights": matrix, "delays": waits, "max_delay": delay, **options}
    if delay == 0:
        return Dense, {"weights": weights.to_array(), **options}
    return DelayDense, {"weights": weights.to_array(), "delays": delay, **options}
