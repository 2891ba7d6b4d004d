"""An independent simulator of NIR graphs: one node at a time, straight from NIR's equations.

It knows nothing of ltc2hw. A node receives the sum of what its predecessors sent; what one did not
send yet, because it comes later in the order of visits, is taken from the step before, and is zero
before the first one.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def simulate(graph: Any, order: list[str], x: Array, dt: float) -> dict[str, Array]:
    """Run samples x (T, B, N) through a flat graph; returns what each node sent, (T, B, N)."""
    sent: dict[str, list[Array]] = {name: [] for name in order}
    states: dict[str, dict[str, Array]] = {name: {} for name in order}
    for t in range(len(x)):
        for name in order:
            node = graph.nodes[name]
            total: Any = 0.0
            for source in (source for source, target in graph.edges if target == name):
                size = int(graph.nodes[source].output_type["output"][0])
                known = sent[source][-1:] or [np.zeros((x.shape[1], size))]
                total = total + known[0]
            value = x[t] if isinstance(node, nir.Input) else total
            result = step(node, states[name], value, dt, t)
            sent[name].append(np.array(np.broadcast_to(result, (x.shape[1], np.shape(result)[-1]))))
    return {name: np.stack(values) for name, values in sent.items()}


def step(node: Any, state: dict[str, Array], x: Any, dt: float, t: int) -> Any:
    """What one node sends, by explicit Euler; membranes start at the reset potential."""
    if isinstance(node, nir.Affine):
        return x @ node.weight.T + node.bias
    if isinstance(node, nir.Linear):
        return x @ node.weight.T
    if isinstance(node, nir.Scale):
        return x * node.scale
    if isinstance(node, nir.Delay):
        return delayed(node, state, x, dt, t)
    if isinstance(node, nir.Threshold):
        return (x > node.threshold).astype(float)
    if isinstance(node, (nir.CubaLIF, nir.CubaLI)):
        current = state.get("i", 0.0)
        state["i"] = current + dt / node.tau_syn * (node.w_in * x - current)
        return leak(node, state, state["i"], dt / node.tau_mem)
    if isinstance(node, (nir.LIF, nir.LI)):
        return leak(node, state, x, dt / node.tau)
    if isinstance(node, nir.IF):
        state["v"] = state.get("v", node.v_reset) + dt * node.r * x
        return fire(node, state)
    return x


def leak(node: Any, state: dict[str, Array], current: Any, rate: Any) -> Any:
    v = state.get("v", getattr(node, "v_reset", 0.0))
    state["v"] = v + rate * (node.v_leak - v + node.r * current)
    return fire(node, state) if hasattr(node, "v_threshold") else state["v"]


def fire(node: Any, state: dict[str, Array]) -> Any:
    z = (state["v"] > node.v_threshold).astype(float)
    state["v"] = np.where(z > 0, node.v_reset, state["v"])
    return z


def delayed(node: Any, state: dict[str, Array], x: Any, dt: float, t: int) -> Any:
    state[str(t)] = np.asarray(x, dtype=float)
    steps = np.rint(node.delay / dt).astype(int)
    columns = [
        state[str(t - s)][..., i] if t >= s else np.zeros(np.shape(x)[:-1])
        for i, s in enumerate(np.broadcast_to(steps, np.shape(x)[-1]))
    ]
    return np.stack(columns, axis=-1)
