"""The header of a network: what the state holds, and how to use the functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ltc2hw.converters.c.plan import Part, Plan
from ltc2hw.converters.c.text import IntegerType
from ltc2hw.graph.fixed import FixedInput


def print_header(plan: Plan, table_bytes: int) -> str:
    """Text of the header; ``table_bytes`` are those of the source's constant tables."""
    prefix, upper = plan.prefix, plan.prefix.upper()
    output = plan.output
    field = output.fields[output.neurons.output_variable]
    return "\n".join(
        [
            _description(plan, table_bytes),
            f"#ifndef {upper}_H",
            f"#define {upper}_H\n",
            "#include <stdint.h>\n",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif\n",
            f"#define {upper}_INPUTS {plan.network.input.size}",
            f"#define {upper}_OUTPUTS {output.neurons.size}",
            f"/* The {field.type.name} that the network answers with in this step. */",
            f"#define {upper}_OUTPUT(state) ((state)->{output.member}.{field.name})\n",
            "typedef struct {",
            *_struct(plan),
            f"}} {prefix}_state;\n",
            "/* Back to the start: registers, past messages and counts are 0. */",
            f"void {prefix}_reset({prefix}_state *state);\n",
            "/* One step. Returns 0; or 1, and changes nothing, if an integer of the input is not",
            "   one that its word holds. */",
            f"int {prefix}_step({prefix}_state *state, const {plan.input_type.name} *input);\n",
            "#ifdef __cplusplus",
            "}",
            "#endif\n",
            "#endif",
            "",
        ]
    )


def _struct(plan: Plan) -> Iterator[str]:
    given = plan.network.input
    past = [s for s in plan.sent.values() if s.sender[0] == given.name and s.slots]
    for sent in past:
        member = sent.field.partition(".")[0]
        yield "    struct {"
        yield f"        struct {{ {sent.type.name} {sent.name}[{sent.slots * given.size}]; }} sent;"
        if sent.position:
            yield f"        struct {{ int32_t {sent.name}; }} at;"
        yield f"    }} {member};"
    for part in plan.parts:
        yield "    struct {"
        yield from _members(plan, part)
        yield f"    }} {part.member};"
    used = [stage for stage in plan.stages if stage.sums]
    if used:
        yield "    /* Sums of what arrives; nothing of them is needed after the step. */"
        yield "    union {"
        for stage in used:
            sums = " ".join(
                f"{one.type.name} {one.name}[{stage.part.neurons.size}];"
                for one in sorted(stage.sums, key=lambda one: -one.type.bits)
            )
            yield f"        struct {{ {sums} }} {stage.function};"
        yield "    } arriving;"


def _members(plan: Plan, part: Part) -> Iterator[str]:
    """Widest first, so that nothing is lost to alignment."""
    upper, name = plan.prefix.upper(), part.neurons.name
    arrays = [(f, label) for label, f in part.fields.items() if not label.startswith("message ")]
    arrays.sort(key=lambda pair: -pair[0].type.bits)
    fractions = part.neurons.fractions
    for kept in (True, False):
        listed = [
            f"        {f.type.name} {f.name}[{f.length}];{_scale(f.type, fractions[label])}"
            for f, label in arrays
            if f.kept is kept
        ]
        if listed:
            yield from listed if kept else (f"#ifdef {upper}_RECORD", *listed, "#endif")
    sent = [s for s in plan.sent.values() if s.sender[0] == name and not s.own]
    if sent:
        sent.sort(key=lambda one: -one.type.bits)
        size = part.neurons.size
        arrays_of = " ".join(f"{s.type.name} {s.name}[{s.slots * size}];" for s in sent)
        yield f"        struct {{ {arrays_of} }} sent;"
    turning = [s for s in sent if s.position]
    if turning:
        yield f"        struct {{ int32_t {', '.join(s.name for s in turning)}; }} at;"
    if part.misfits:
        yield f"#ifdef {upper}_COUNT"
        yield f"        struct {{ uint32_t {', '.join(part.misfits.values())}; }} misfits;"
        yield "#endif"


def _scale(kind: IntegerType, fraction: int) -> str:
    return f" /* real = integer / 2^{fraction} */" if fraction else ""


def _description(plan: Plan, table_bytes: int) -> str:
    """What the files are and how to use them."""
    given, upper = plan.network.input, plan.prefix.upper()
    lines = [
        f"An integer network, quantized for {_plain(plan.network.target)} by ltc2hw.",
        "",
        f"Give {plan.prefix}_step one encoded sample per step: {given.size} integers.",
        *_encoding(given),
        "",
        "The state is yours: as many as there are streams, and copied at any time. Nothing is",
        "allocated, and nothing is called but these functions.",
        "",
        f"{upper}_RECORD  keeps in the state what the next step does not need",
        f"{upper}_COUNT   counts the values that did not fit their word, modulo 2^32",
        "",
        "Both change the state: define them for every file that includes this one.",
        f"Constant tables: {table_bytes} bytes.",
    ]
    return "\n".join(["/*", *(f" * {line}".rstrip() for line in lines), " */"])


def _encoding(given: FixedInput) -> Sequence[str]:
    if not given.graded:
        return ("Each is 0 or 1.",)
    word = given.word
    return (
        f"integer = round(real * 2^{given.fraction}), {word.rounding.value}, "
        f"{'clipped to' if word.overflow.value == 'saturate' else 'wrapped into'} "
        f"{word.minimum} .. {word.maximum}.",
    )


def _plain(text: str) -> str:
    """Text that cannot end a comment."""
    return "".join(c if c.isalnum() or c in " -_." else "?" for c in text)
