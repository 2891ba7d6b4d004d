"""What an exported folder says of a network: processes, their constants, wires. Needs Lava."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
from scipy import sparse

from ltc2hw.converters.lava.assembly import population_recipe
from ltc2hw.converters.lava.connections import connection_recipes
from ltc2hw.converters.lava.populations import Recipe
from ltc2hw.converters.lava.runs import Request
from ltc2hw.converters.lava.schedule import make_schedule
from ltc2hw.converters.lava.shim import LAVA_RELEASE
from ltc2hw.converters.lava.standalone import SCHEMA_VERSION
from ltc2hw.dynamics.program import Program
from ltc2hw.graph.fixed import FixedInput, FixedNetwork
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.words import IntArray

RECORDED = ("spikes", "membrane")
"""Variables that an exported network records, where a population has them."""

OUT_PORTS: Mapping[str, str] = {"LIF": "s_out", "Source": "value_out"}
"""Ports of processes that are not called after the variable that they send."""

IN_PORTS: Mapping[str, str] = {"LIF": "a_in"}


class Plan:
    """What processes to make and how to wire them, as JSON with arrays aside."""

    def __init__(self, arrays: dict[str, IntArray]) -> None:
        self.arrays = arrays

    def of(self, network: FixedNetwork, request: Request) -> dict[str, Any]:
        """The plan of a network: the recipes that :mod:`~.assembly` builds it from."""
        schedule = make_schedule(network)
        feed = request.feed(lambda population: "")
        processes, wires, kinds = [], [], {}
        for population in network.populations:
            recipe = population_recipe(network, population, schedule, feed)
            assert recipe is not None
            kinds[population.name] = recipe[0].__name__
            source = isinstance(population, FixedInput)
            record = [v for v in RECORDED if v in population.recordable and not source]
            processes.append(self.process(population.name, recipe, record))
        for projection, delay in zip(network.projections, schedule.delays, strict=True):
            sender = projection.source
            out = OUT_PORTS.get(kinds[sender], f"{projection.variable}_out")
            for number, recipe in enumerate(connection_recipes(network, projection, delay)):
                name = f"{connection_name(projection)}@{projection.delay}{'+' * number}"
                processes.append(self.process(name, recipe, []))
                wires.append((sender, out, name, "s_in"))
                sender, out = name, "a_out"
            into = IN_PORTS.get(kinds[projection.target], f"{projection.port}_in")
            wires.append((sender, out, projection.target, into))
        steps, batch, _ = request.encoded.shape
        return {
            "schema_version": SCHEMA_VERSION,
            "lava": LAVA_RELEASE,
            "target": network.target,
            "input": {
                "size": network.input.size,
                "graded": network.input.graded,
                "minimum": network.input.word.minimum,
                "maximum": network.input.word.maximum,
                "fraction": network.input.fraction,
            },
            "output": network.output,
            "period": schedule.period,
            "lead": request.lead,
            "tail": request.chip_steps - batch * (request.lead + steps) * schedule.period,
            "skews": {p.name: schedule.skew(p.name) for p in network.populations},
            "processes": processes,
            "wires": wires,
            "provenance": dict(network.provenance),
        }

    def process(self, name: str, recipe: Recipe, record: list[str]) -> dict[str, Any]:
        """Class and options of one process; what belongs to a run is left to the run."""
        kind, options = recipe
        kept = {key: value for key, value in options.items() if key not in ("name", "run", "data")}
        encoded = {key: self.encode(f"{name}/{key}", value) for key, value in kept.items()}
        return {
            "name": name, "class": kind.__name__, "options": {"map": encoded}, "record": record,
        }  # fmt: skip

    def encode(self, path: str, value: Any) -> Any:
        """A constant as JSON; arrays go into the table of arrays."""
        if isinstance(value, np.ndarray):
            self.arrays[path] = value
            return {"array": path}
        if sparse.issparse(value):
            parts = ("data", "indices", "indptr")
            content = {name: self.encode(f"{path}/{name}", getattr(value, name)) for name in parts}
            return {"csr": {**content, "shape": list(map(int, value.shape))}}
        if isinstance(value, Program):
            return {"program": value.to_text()}
        if is_dataclass(value):
            content = {
                field.name: self.encode(f"{path}/{field.name}", getattr(value, field.name))
                for field in fields(value)
            }
            return {type(value).__name__: content}
        if isinstance(value, Mapping):
            return {"map": {k: self.encode(f"{path}/{k}", part) for k, part in value.items()}}
        if isinstance(value, Enum):
            return {"sign_mode": value.name}
        if isinstance(value, tuple):
            return [self.encode(f"{path}/{i}", part) for i, part in enumerate(value)]
        return value.item() if isinstance(value, np.generic) else value
