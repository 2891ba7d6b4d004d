"""What learned on the chip as tables: memories, registers, what was held and why."""

from __future__ import annotations

from typing import Any

from ltc2hw.files.learning_file import Checkpoint
from ltc2hw.graph.structure import connection_name
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.looking.networks import view as network_view
from ltc2hw.looking.reports import written_view
from ltc2hw.looking.view import View, ends

Facts = dict[str, Any]


def view(learned: Learned[Any] | Learning) -> View:
    """A learned stream with its network, or the state of learning alone."""
    if isinstance(learned, Learning):
        return View(repr(learned).strip("<>"), learning_facts(learned))
    projections = [connection_name(p) for p in learned.network.projections]
    own = network_view(learned.network).facts
    facts = {
        "updates": learned.learning.step,
        "memories": memory_rows(learned.learning, projections),
        "held": dict(learned.held),
        "saturations": [
            {"of": name, "variable": variable, "values": count}
            for name, counts in learned.saturations.items()
            for variable, count in counts.items()
        ],
        **{f"network_{name}": section for name, section in own.items()},
    }
    return View(repr(learned).strip("<>"), facts)


def learning_facts(learning: Learning) -> Facts:
    """Updates, memories and registers."""
    return {
        "updates": learning.step,
        "memories": memory_rows(learning),
        "registers": [
            {"population": name, "register": register, "shape": " x ".join(map(str, array.shape))}
            for name, own in learning.registers.items()
            for register, array in own.items()
        ],
    }


def memory_rows(learning: Learning, projections: list[str] | None = None) -> list[Facts]:
    """What learns, with the smallest and largest of its three numbers."""
    rows = []
    for parameter, memory in learning.memories.items():
        index = parameter.projection
        named = index if projections is None or index is None else projections[index]
        row: Facts = {
            "population": parameter.population,
            "port": parameter.port,
            "term": parameter.term,
            "projection": named,
            "size": int(memory.value.size),
        }
        rows.append(row | {name: ends(array) for name, array in memory._asdict().items()})
    return rows


def checkpoint_view(checkpoint: Checkpoint) -> View:
    """A checkpoint of learning: what is learned from what, how far it is, its state."""
    told = written_view("", {"plan": checkpoint.plan, "progress": checkpoint.progress}).facts
    title = f"record of learning: {repr(checkpoint.learning).strip('<>')}"
    return View(title, {**learning_facts(checkpoint.learning), **told})
