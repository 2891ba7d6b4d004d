"""Convolutional networks in torch's float64, written anew from the equations: nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, pad

from ltc2hw.graph.network import Input, Network
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import Weights

Values = dict[str, Tensor]


def ltc(past: Values, arrived: Values, c: Values) -> Values:
    """Yin's neuron, with the gates of the specification."""
    current = arrived["current"] + c["bias_current"]

    def gate(name: str, of: Tensor) -> Tensor:
        argument = arrived[name] + c[f"{name}.bias"] + c[f"{name}.from_state"] * of
        return torch.sigmoid(argument + c[f"{name}.from_current"] * current)

    tau, rho = gate("tau_mem", past["membrane"]), gate("tau_adp", past["adaptation"])
    membrane = past["membrane"] + tau * (current - past["membrane"])
    adaptation = rho * past["adaptation"] + (1 - rho) * past["spikes"]
    spikes = (membrane > c["threshold"] + c["adaptation_strength"] * adaptation).double()
    held = membrane * (1 - spikes)
    return {"current": current, "membrane": held, "adaptation": adaptation, "spikes": spikes}


def lif(past: Values, arrived: Values, c: Values) -> Values:
    """A leaky membrane behind a leaky current."""
    current = (1 - c["current_decay"]) * past["current"] + arrived["current"]
    membrane = (1 - c["membrane_decay"]) * past["membrane"] + current + c["bias"]
    spikes = (membrane > c["threshold"]).double()
    return {"current": current, "membrane": membrane * (1 - spikes), "spikes": spikes}


def alif(past: Values, arrived: Values, c: Values) -> Values:
    """Norse's LSNN cell."""
    membrane = past["membrane"] + c["membrane_decay"] * (past["current"] - past["membrane"])
    faded = (1 - c["adaptation_decay"]) * past["adaptation"]
    spikes = (membrane > c["threshold"] + faded).double()
    return {
        "current": (1 - c["current_decay"]) * past["current"] + arrived["current"],
        "membrane": torch.where(spikes > 0, c["reset"], membrane),
        "adaptation": faded + c["jump"] * spikes,
        "spikes": spikes,
    }


def readout(past: Values, arrived: Values, c: Values) -> Values:
    """A leaky integrator with a gate."""
    current = arrived["current"] + c["bias_current"]
    argument = arrived["tau_mem"] + c["tau_mem.bias"] + c["tau_mem.from_state"] * past["membrane"]
    tau = torch.sigmoid(argument + c["tau_mem.from_current"] * current)
    return {
        "current": current,
        "membrane": past["membrane"] + tau * (current - past["membrane"]),
    }


NEURONS: dict[str, Callable[[Values, Values, Values], Values]] = {
    "ltc": ltc, "lif": lif, "alif": alif, "readout": readout,
}  # fmt: skip


def simulate(network: Network, x: Any) -> dict[str, Values]:
    """Samples (T, B, N_in) through populations that are listed in the order of their layers.

    Returns the variables of every population, (T, B, N).
    """
    samples = torch.as_tensor(x, dtype=torch.float64)
    history: list[dict[str, Values]] = []
    zeros: dict[str, Values] = {
        p.name: {
            v: torch.zeros(samples.shape[1], p.size).double() for v in ("spikes", *p.recordable)
        }
        for p in network.populations
    }
    for sample in samples:
        now: dict[str, Values] = {}
        history.append(now)
        for population in network.populations:
            name = population.name
            if isinstance(population, Input):
                now[name] = {population.variables[0]: sample}
                continue
            arrived = dict.fromkeys(population.ports, zeros[name]["spikes"])
            for p in network.projections:
                if p.target == name and p.delay < len(history):
                    message = history[-1 - p.delay][p.source][p.variable]
                    arrived[p.port] = arrived[p.port] + weigh(p.weights, message)
            past = history[-2][name] if len(history) > 1 else zeros[name]
            constants = {key: torch.tensor(v) for key, v in population.constants.items()}
            now[name] = NEURONS[population.model.name](past, arrived, constants)
    return {
        name: {v: torch.stack([step[name][v] for step in history]) for v in values}
        for name, values in history[0].items()
    }


def weigh(weights: Weights, message: Tensor) -> Tensor:
    """torch's convolution of an image padded by torch; or a matrix product."""
    if not isinstance(weights, Conv):
        return message @ torch.tensor(weights.to_array()).T
    image = message.reshape(-1, *weights.sources)
    image = pad(image, [side for pair in reversed(weights.padding) for side in pair])
    convolve = conv1d if len(weights.stride) == 1 else conv2d
    sums: Tensor = convolve(
        image,
        torch.tensor(weights.kernel),
        None,
        weights.stride,
        0,
        weights.dilation,
        weights.groups,
    )
    return sums.flatten(1)
