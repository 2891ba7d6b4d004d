"""Commands that do by hand what a remedy does.

A command that lacks something, a task's name, say, begins with ``#`` and what it lacks, so that a
shell does nothing with it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ltc2hw.numbers.words import Width
from ltc2hw.quantization.history import Source
from ltc2hw.quantization.scaling import QuantizeOptions

UNKNOWN = "TASK"
"""What stands for a task that nobody has named."""

LAYOUT = "layout"
"""The option of data that a file to calibrate on may have of its own."""

PYTHON_ALONE = ("gate_function", "weight_reach")
"""Options of quantization that no verb has."""

SWITCHES = ("several-labels",)
"""Options of data without a value."""


@dataclass(frozen=True)
class Names:
    """What files, target and task are called in a command.

    ``data``: options of the task's data as they are typed, by name (empty for a switch);
    ``calibrated``: what the network was calibrated on, the task where nobody knows; ``missing``:
    its file is not there; ``readout``: the one that is judged, where it is not the network's own.

    >>> Names(task="add-8").known, Names().known
    (True, False)
    """

    model: str = "model.h5"
    target: str = "loihi2"
    task: str = UNKNOWN
    out: str = "fixed.h5"
    data: Mapping[str, str] = field(default_factory=dict)
    calibrated: Source | None = None
    missing: bool = False
    readout: str | None = None

    @property
    def known(self) -> bool:
        """Whether the task is."""
        return self.task != UNKNOWN

    @property
    def source(self) -> Source:
        """What the network is calibrated on."""
        return self.calibrated or Source("task", self.task, self.data)


def quantize_command(names: Names, options: QuantizeOptions) -> str:
    """The command that quantizes with these options.

    >>> names = Names(task="add-8")
    >>> print(quantize_command(names, QuantizeOptions(weight_bits=4, scale={"input": -1})))
    ltc2hw quantize model.h5 --target loihi2 --task add-8 --weight-bits 4 --scale input=-1 \
--out fixed.h5
    """
    source = names.source
    words = ["quantize", named(names.model), *said("target", names.target)]
    words += [*said(source.origin, named(source.name)), *data_flags(source.data)]
    words += [*flags(options), *_samples(source)]
    lacks = [*_unspoken(options), *_absent(names)]
    if source.name == UNKNOWN:
        lacks.append(NO_TASK)
    return noted(spelled(*words, *said("out", named(names.out))), lacks)


def tune_command(names: Names, options: QuantizeOptions, remedy: str) -> str:
    """The command that tries one remedy alone, also one that changes the float network."""
    source, lacks = names.source, _unspoken(options)
    words = ["tune", named(names.model), *said("target", names.target)]
    words += [*said("task", named(names.task)), *data_flags(names.data)]
    if source.origin == "calibration":
        words += said("calibration", named(source.name))
        words += _own_layout(source, names.data)
        lacks += [*_absent(names), *_clash(source, names.data)]
    words += [] if names.readout is None else said("readout", names.readout)
    words += [*flags(options), *_samples(source), "--only", remedy]
    lacks += [] if names.known else [NO_TASK]
    return noted(spelled(*words, *said("out", named(names.out))), lacks)


def train_command(names: Names, options: QuantizeOptions, *, everything: bool = True) -> str:
    """The command that trains the network further, through its rounding.

    ``everything``: through all that the target rounds, not weights alone; ``options`` have the
    width of weights. Moved scales and weights rounded by what arrives are not trained through.

    >>> print(train_command(Names(task="add-8"), QuantizeOptions(weight_bits=4)))
    ltc2hw train add-8 --start model.h5 --round all --target loihi2 --weight-bits 4 --out trained.h5
    """
    words = ["train", named(names.task), *data_flags(names.data)]
    words += said("start", named(names.model))
    if everything:
        words += ["--round", "all", *said("target", names.target)]
    words += widths(options)
    lacks = [] if names.known else [NO_TASK]
    lacks += [] if names.readout is None else [OWN_READOUT]
    return noted(spelled(*words, "--out", "trained.h5"), lacks)


NO_TASK = f"the task is not known, put its name for {UNKNOWN}"
CLASH = "the task and the file to calibrate on are read by different options"
OWN_READOUT = "train learns what the network's own output says"


def _own_layout(source: Source, data: Mapping[str, str]) -> tuple[str, ...]:
    """The layout of a file beside a task's, where it is another one."""
    layout = source.data.get(LAYOUT)
    return () if layout in (None, data.get(LAYOUT)) else said("calibration-layout", str(layout))


def _clash(source: Source, data: Mapping[str, str]) -> list[str]:
    """What a command lacks that reads a file by the options of the data of a task."""
    own = {name: value for name, value in source.data.items() if name != LAYOUT}
    differ = any(data.get(name) != value for name, value in own.items())
    unsaid = LAYOUT in data and LAYOUT not in source.data
    return [CLASH] if differ or unsaid else []


def _absent(names: Names) -> list[str]:
    """What a command lacks whose samples are not where they were."""
    return [f"{names.source.name} is not here"] if names.missing else []


def _unspoken(options: QuantizeOptions) -> list[str]:
    """What no command can ask for."""
    given = ((name, getattr(options, name)) for name in PYTHON_ALONE)
    return [f"in Python alone, {name}={value!r}" for name, value in given if value is not None]


def _samples(source: Source) -> list[str]:
    """How many samples are used, where it is not all of them."""
    counted = source.samples is not None and not source.whole
    return ["--samples", str(source.samples)] if counted else []


def flags(options: QuantizeOptions) -> Iterator[str]:
    """Options of quantization as they are typed."""
    yield from widths(options)
    for name, by in options.scale.items():
        yield from said("scale", f"{name}={by:+d}")
    if options.rounding != "nearest":
        yield from ("--rounding", options.rounding)
    for limit in options.allow:
        yield from ("--allow", limit)


def widths(options: QuantizeOptions) -> Iterator[str]:
    """Widths and the layout of states as they are typed."""
    if options.weight_bits is not None:
        yield from ("--weight-bits", str(options.weight_bits))
    if options.fine_states:
        yield "--fine-states"
    bits: dict[str, Width] = {**(options.projection_bits or {}), **options.bits}
    for name, width in bits.items():
        yield from said("bits", f"{name}={width}")


def data_flags(data: Mapping[str, str]) -> Iterator[str]:
    """Options of data as they are typed.

    >>> list(data_flags({"layout": "batch-first", "several-labels": ""}))
    ['--layout', 'batch-first', '--several-labels']
    """
    for name, value in data.items():
        if name in SWITCHES:
            yield f"--{name}"
        else:
            yield from said(name, value)


def said(option: str, value: str) -> tuple[str, ...]:
    """An option and its value, which may begin with a dash.

    >>> said("scale", "input=-1"), said("readout", "-x")
    (('--scale', 'input=-1'), ('--readout=-x',))
    """
    return (f"--{option}={value}",) if value.startswith("-") else (f"--{option}", value)


def named(path: str) -> str:
    """A file as a command takes it, which a dash in front would make an option.

    >>> named("-model.h5"), named("model.h5")
    ('./-model.h5', 'model.h5')
    """
    return f"./{path}" if path.startswith("-") else path


def spelled(*words: str) -> str:
    """Words as a shell takes them.

    >>> spelled("quantize", "my net.h5")
    "ltc2hw quantize 'my net.h5'"
    """
    return " ".join(("ltc2hw", *map(shlex.quote, words)))


def noted(command: str, lacks: list[str]) -> str:
    """A command, as a remark where it lacks something.

    >>> noted("ltc2hw targets", ["the target is not known"])
    '# the target is not known: ltc2hw targets'
    """
    return f"# {'; '.join(lacks)}: {command}" if lacks else command
