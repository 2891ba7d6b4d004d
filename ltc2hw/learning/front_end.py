"""Convolutions before what learns: kernels are held, and errors end at them.

What a kernel would learn is a sum over all its places, which no synapse knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.structure import Graph, connection_name
from ltc2hw.numbers.convolution import Conv


def has_kernels_alone(graph: Graph[Any, Any], name: str, port: str | None = None) -> bool:
    """Whether kernels land on a port, or on any port of a population, and no other weights."""
    landing = [
        isinstance(connection.weights, Conv)
        for connection in graph.projections
        if connection.target == name and port in (None, connection.port)
    ]
    return bool(landing) and all(landing)


def is_held(graph: Graph[Any, Any], name: str, port: str) -> bool:
    """Whether kernels alone lead to a port, or to its population."""
    return has_kernels_alone(graph, name, port) or has_kernels_alone(graph, name)


def front_end(graph: Graph[Any, Any]) -> tuple[str, ...]:
    """Populations that only kernels lead to: nothing of theirs learns."""
    return tuple(p.name for p in graph.populations if has_kernels_alone(graph, p.name))


def check_kernels_behind(graph: Graph[Any, Any], learning: Iterable[str]) -> None:
    """Refuse to learn from a part of an error: the rest would come through a kernel.

    ``learning``: names of the populations that learn.

    Raises:
        UnsupportedError: naming the population and the kernel.
    """
    for name in learning:
        before = _downstream(graph, name, kernels=False)
        for connection in graph.projections:
            if not (isinstance(connection.weights, Conv) and connection.delay == 0):
                continue
            leads = graph.output in _downstream(graph, connection.target, kernels=True)
            if connection.source in before and leads:
                raise UnsupportedError(
                    "on-chip FPTT",
                    f"learning in {name}",
                    f"some of its error would have to cross the kernel of"
                    f" {connection_name(connection)}",
                    "put kernels before everything that learns, or name the ports behind them",
                )


def _downstream(graph: Graph[Any, Any], name: str, *, kernels: bool) -> list[str]:
    """A population and those that it reaches within a step, through kernels or without them."""
    found = [name]
    for source in found:
        for connection in graph.projections:
            open_way = kernels or not isinstance(connection.weights, Conv)
            if connection.source == source and connection.delay == 0 and open_way:
                found += [connection.target] * (connection.target not in found)
    return found
