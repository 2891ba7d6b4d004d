"""The Lava processes of each projection: Lava's own connections with either sign of weight."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from lava.proc.conv.process import Conv as LavaConv
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode

from ltc2hw.converters.lava.convolution import in_lavas_order, stays_in_lavas_sums
from ltc2hw.converters.lava.limits import MIXED_SIGN_BITS, WEIGHT_BITS
from ltc2hw.converters.lava.populations import Recipe
from ltc2hw.graph.fixed import FixedNetwork, FixedProjection, message_word
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import Matrix, expanded
from ltc2hw.numbers.weights import Sparse as SparseWeights


def connection_recipes(
    network: FixedNetwork, projection: FixedProjection, delay: int
) -> tuple[Recipe, ...]:
    """Lava's Dense, Sparse or Conv, or what delays a message by ``delay`` chip steps more.

    Returns the class and the arguments of each process on the way from source to target. That is
    one process; but Lava's Conv cannot wait, so where it has to, one of Lava's connections that
    changes no message stands before it.
    """
    weights = projection.weights
    if not isinstance(weights, Conv):
        return (_matrix_recipe(network, projection, weights, delay),)
    waiting = (_line_recipe(network, projection, delay - 1),) if delay else ()
    if stays_in_lavas_sums(network, projection):
        return (*waiting, _conv_recipe(network, projection, weights))
    return (*waiting, _matrix_recipe(network, projection, expanded(weights), 0))


def _conv_recipe(network: FixedNetwork, projection: FixedProjection, conv: Conv) -> Recipe:
    form = asdict(in_lavas_order(conv, projection.exponent))
    form["weight"] = form["weight"].astype(np.int32)
    return LavaConv, {**form, **_common(network, projection)}


def _line_recipe(network: FixedNetwork, projection: FixedProjection, delay: int) -> Recipe:
    """A connection from each neuron to itself with weight 1."""
    size = projection.weights.shape[1]
    ones = SparseWeights(np.arange(size + 1), np.arange(size), np.ones(size, np.int64), size)
    common = _common(network, projection)
    options = {
        **common,
        "name": f"{common['name']} waiting",
        "num_weight_bits": WEIGHT_BITS,
        "sign_mode": SignMode.EXCITATORY,
    }
    return _sparse_recipe(ones, delay, options)


def _matrix_recipe(
    network: FixedNetwork, projection: FixedProjection, kept: Matrix, delay: int
) -> Recipe:
    """Lava's Dense or Sparse, or its delayed form.

    Lava computes ``(weights @ message) << weight_exp``; a mantissa of n bits is the weight
    ``m << (9 - n)``, so ``weight_exp = exponent - (9 - n)``.
    """
    alignment = MIXED_SIGN_BITS - projection.bits
    options = {
        **_common(network, projection),
        "num_weight_bits": projection.bits,
        "weight_exp": projection.exponent - alignment,
        "sign_mode": SignMode.MIXED,
    }
    weights = kept.with_values(kept.values << alignment)
    if isinstance(weights, SparseWeights):
        return _sparse_recipe(weights, delay, options)
    if delay == 0:
        return Dense, {"weights": weights.to_array(), **options}
    return DelayDense, {"weights": weights.to_array(), "delays": delay, **options}


def _sparse_recipe(weights: SparseWeights, delay: int, options: dict[str, Any]) -> Recipe:
    matrix = weights.to_scipy()
    if delay == 0:
        return Sparse, {"weights": matrix, **options}
    waits = matrix.copy()
    waits.data = np.full_like(matrix.data, delay)
    return DelaySparse, {"weights": matrix, "delays": waits, "max_delay": delay, **options}


def _common(network: FixedNetwork, projection: FixedProjection) -> dict[str, Any]:
    """What every connection of Lava's is told; ``num_message_bits`` is 0 for spikes."""
    graded = projection.variable != "spikes"
    word = message_word(network.population(projection.source), projection.variable)
    return {
        "num_message_bits": word.bits if graded else 0,
        "name": connection_name(projection),
    }
