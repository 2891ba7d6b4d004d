"""Weights as tables, and the functions that add what a projection brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ltc2hw.converters.c.convolution import convolution_function, kernel_table
from ltc2hw.converters.c.neurons import Tables
from ltc2hw.converters.c.plan import Plan, Sent, Sum
from ltc2hw.converters.c.text import IntegerType, interval_of, literal, narrowest, wrapped
from ltc2hw.graph.fixed import FixedProjection
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import IntArray

CLEAR = """\
static void {name}({t} *values, int32_t count)
{{
    int32_t i;
    for (i = 0; i < count; i++) {{
        values[i] = 0;
    }}
}}
"""

DENSE = """\
/* Weights of a source lie side by side; sources that send 0 cost nothing. */
static void {name}(
    {t} *sum, int32_t targets, const {w} *weight, const {m} *message, int32_t sources, {t} scale)
{{
    int32_t i, j;
    for (i = 0; i < sources; i++) {{
        if (message[i] != 0) {{
            const {t} sent = ({t})message[i] * scale;
            for (j = 0; j < targets; j++) {{
                sum[j] += ({t})weight[j] * sent;
            }}
        }}
        weight += targets;
    }}
}}
"""

SPARSE = """\
/* Weights of source i are those from start[i] to before start[i + 1]. */
static void {name}(
    {t} *sum, const {s} *start, const {r} *row, const {w} *weight, const {m} *message,
    int32_t sources, {t} scale)
{{
    int32_t i, k;
    for (i = 0; i < sources; i++) {{
        if (message[i] != 0) {{
            const {t} sent = ({t})message[i] * scale;
            for (k = (int32_t)start[i]; k < (int32_t)start[i + 1]; k++) {{
                sum[row[k]] += ({t})weight[k] * sent;
            }}
        }}
    }}
}}
"""

PAST = """\
/* Slot of a ring that holds what was written so many steps ago. */
static int32_t {name}(int32_t at, int32_t delay, int32_t slots)
{{
    return at >= delay ? at - delay : at + slots - delay;
}}
"""

TURN = """\
static int32_t {name}(int32_t at, int32_t slots)
{{
    return at + 1 == slots ? 0 : at + 1;
}}
"""


Types = Mapping[str, IntegerType]
"""Types by their letters in a template."""


class Helpers:
    """Functions that a source needs, each written once."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._texts: dict[str, str] = {}
        self._needed: set[str] = set()
        self._numbered: dict[str, str] = {}

    def name(self, template: str, label: str, types: Types, *, optional: bool = False) -> str:
        """Name of the function of a template for these types; ``optional`` for RECORD alone."""
        suffix = "".join(f"_{kind.short}" for kind in types.values())
        name = f"{self._prefix}_{label}{suffix}"
        filled = {letter: kind.name for letter, kind in types.items()}
        self._texts[name] = template.format(name=name, **filled)
        if not optional:
            self._needed.add(name)
        return name

    def convolution(self, conv: Conv, types: Types) -> str:
        """Name of the function that adds convolutions of one geometry."""
        remark, rest = convolution_function(conv, types)
        name = f"{self._prefix}_add_conv_{len(self._numbered)}"
        found = self._numbered.setdefault(rest, name)
        if found == name:
            self._texts[name] = f"/* {remark}. */\nstatic void {name}(\n{rest}"
            self._needed.add(name)
        return found

    def clear(self, kind: IntegerType, *, optional: bool = False) -> str:
        """Function that sets an array to zero."""
        return self.name(CLEAR, "clear", {"t": kind}, optional=optional)

    @property
    def texts(self) -> Iterator[str]:
        """All functions."""
        for name, text in self._texts.items():
            if name in self._needed:
                yield text
            else:
                yield f"#ifdef {self._prefix.upper()}_RECORD\n{text}#endif\n"


def sum_lines(plan: Plan, one: Sum, helpers: Helpers, tables: Tables) -> Iterator[str]:
    """Set a sum to zero and add its projections."""
    size = next(p.neurons.size for p in plan.parts if p.neurons.name == one.projections[0].target)
    yield f"    {helpers.clear(one.type)}({one.name}, {size});"
    for projection in one.projections:
        yield from _projection(plan, projection, one, helpers, tables)


def _projection(
    plan: Plan, projection: FixedProjection, one: Sum, helpers: Helpers, tables: Tables
) -> Iterator[str]:
    sent = plan.sent[projection.source, projection.variable]
    message, kind = _message(plan, projection, sent, helpers)
    targets, sources = projection.weights.shape
    label = f"{projection.source}_{projection.variable}_to_{projection.target}_{projection.port}"
    scale = literal(1 << projection.exponent)
    weights: IntArray
    given: list[object]
    held = projection.weights
    if isinstance(held, Conv):
        weights = kernel_table(held)
        name = helpers.convolution(held, {"w": _type(weights), "m": kind, "t": one.type})
        given = [one.name, tables.add(f"{label}_kernel", weights), message, scale]
    elif isinstance(held, Dense):
        weights = held.matrix.T.ravel()
        name = helpers.name(DENSE, "add_dense", {"w": _type(weights), "m": kind, "t": one.type})
        given = [
            one.name,
            targets,
            tables.add(f"{label}_weights", weights),
            message,
            sources,
            scale,
        ]
    else:
        columns = held.to_scipy().tocsc()
        columns.sort_indices()
        parts = [columns.indptr, columns.indices, columns.data]
        start, row, weights = (np.asarray(part, np.int64) for part in parts)
        types = {"s": _type(start), "r": _type(row), "w": _type(weights), "m": kind, "t": one.type}
        name = helpers.name(SPARSE, "add_sparse", types)
        listed = (("starts", start), ("rows", row), ("weights", weights))
        named = [tables.add(f"{label}_{what}", values) for what, values in listed]
        given = [one.name, *named, message, sources, scale]
    *lines, last = wrapped(map(str, given))
    yield f"    {name}("
    yield from (f"    {line}" for line in lines)
    yield f"    {last[:-1]});"


def _type(values: IntArray) -> IntegerType:
    return narrowest(interval_of(values))


def _message(
    plan: Plan, projection: FixedProjection, sent: Sent, helpers: Helpers
) -> tuple[str, IntegerType]:
    """Array of what a projection carries in this step, and its type."""
    if projection.source == plan.network.input.name and projection.delay == 0:
        return "input", plan.input_type
    if not sent.position:
        return f"s->{sent.field}", sent.type
    return f"s->{sent.field} + {slot(plan, sent, projection.delay, helpers)}", sent.type


def slot(plan: Plan, sent: Sent, delay: int, helpers: Helpers) -> str:
    """Offset in a ring of the messages of so many steps ago."""
    size = plan.network.population(sent.sender[0]).size
    at = f"s->{sent.position}"
    if delay % sent.slots:
        at = f"{helpers.name(PAST, 'past', {})}({at}, {delay}, {sent.slots})"
    return f"{at} * {size}"


def turn_lines(plan: Plan, helpers: Helpers) -> Iterator[str]:
    """What ends a step: the sample is kept as long as it is needed, rings turn."""
    for sent in plan.sent.values():
        is_input = sent.sender[0] == plan.network.input.name
        if is_input and sent.slots:
            size = plan.network.input.size
            first = f"s->{sent.position} * {size} + " if sent.position else ""
            place = f"s->{sent.field}[{first}j]"
            yield f"    for (j = 0; j < {size}; j++) {{"
            yield f"        {place} = ({sent.type.name})input[j];"
            yield "    }"
        if sent.slots > 1:
            turn = helpers.name(TURN, "turn", {})
            yield f"    s->{sent.position} = {turn}(s->{sent.position}, {sent.slots});"
