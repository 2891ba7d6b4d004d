"""A module's own forward, run on flows: which cells it calls, with what, and what it answers.

Cells stand for themselves: a call of one makes a flow of what it sends, and a state that only the
next call of it takes. What every cell is given in each of some steps is then folded into what it
is given in any step, with delays; where that is not the same in all of them, it is refused.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ltc2hw.converters.assembly import Assembly
from ltc2hw.converters.cells import neurons_of, synapses_of
from ltc2hw.converters.features import FEATURES
from ltc2hw.converters.products import Matrix, matrix_of, same
from ltc2hw.converters.signals import CONSTANT, Signal, Source
from ltc2hw.converters.torch_cells import refusal, require_cell
from ltc2hw.converters.torch_flow import (
    Flow,
    MisplacedError,
    OneStepError,
    Shape,
    constant_flow,
    flow_like,
    misplaced,
    moved,
    new_flow,
    one_step,
)
from ltc2hw.converters.torch_linear import OPERATIONS
from ltc2hw.errors import InvalidValueError, Ltc2hwError, ShapeError
from ltc2hw.graph.network import Input, Network
from ltc2hw.neurons import Cell, LIFCell, LTCCell, ProgramCell, ReadoutCell
from ltc2hw.numbers.words import FloatArray

STEPS = 12
"""Steps that a forward is run for."""

LONGEST_DELAY = STEPS // 2
"""Delays up to this are seen often enough to be believed."""

KNOWN_CELLS = (LTCCell, LIFCell, ProgramCell, ReadoutCell)


@dataclass
class Thread:
    """A cell in one of the places where it is called, with a state of its own from step to step."""

    name: str
    path: str
    cell: Cell
    inputs: list[Signal] = field(default_factory=list)
    """What arrived in each of its steps."""


class CellState:
    """What a cell remembers after some steps: its registers as flows, by position and by name."""

    def __init__(self, thread: Thread, like: Flow) -> None:
        self._thread, self._step = thread, len(thread.inputs)
        form = thread.cell.form
        self._fields = form.registers
        self._registers = tuple(
            _sent_flow(thread, name, [self._step - 1], like, several=False)
            for name in form.registers
        )

    def __getattr__(self, name: str) -> Flow:
        fields = self.__dict__.get("_fields", ())
        if name not in fields:
            raise AttributeError(f"a state of {', '.join(fields)} has no {name}")
        register: Flow = self._registers[fields.index(name)]
        return register

    def __iter__(self) -> Iterator[Flow]:
        return iter(self._registers)

    def __len__(self) -> int:
        return len(self._registers)

    def __getitem__(self, place: int) -> Flow:
        return self._registers[place]

    def detach(self) -> CellState:
        """The same state."""
        return self


def _sent_flow(
    thread: Thread, variable: str, steps: Sequence[int], like: Flow, *, several: bool
) -> Flow:
    """A variable of a cell after some of its steps."""
    size = thread.cell.size
    signals = [Signal.of(thread.name, size, variable).delayed(step) for step in steps]
    return flow_like(like, signals, (size,), several=several)


class Run:
    """One run of a module, and the populations that it makes on the way."""

    def __init__(self, module: nn.Module, shape: Shape, graded: bool) -> None:
        self.module = module
        self.assembly = Assembly()
        size = int(np.prod(shape, dtype=np.int64))
        self.assembly.add(Input("input", size, graded))
        self.threads: list[Thread] = []
        dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
        variable = "value" if graded else "spikes"
        signals = [Signal.of("input", size, variable).delayed(step) for step in range(STEPS)]
        self.sequence = new_flow(signals, shape, dtype, OPERATIONS, several=True)
        self.steps = [
            new_flow([signal], shape, dtype, OPERATIONS, several=False) for signal in signals
        ]

    # What cells do instead of their own

    def step_of(self, cell: Cell, path: str, x: Any, state: Any = None) -> tuple[Flow, CellState]:
        """A call of a cell."""
        flow = self._entering(path, cell, x)
        if flow.several:
            raise one_step(path, flow, f"(B, {cell.inputs})")
        thread = self._thread(cell, path, state)
        thread.inputs.append(flow.signals[0])
        output = cell.form.model.output
        sent = _sent_flow(thread, output, [len(thread.inputs) - 1], flow, several=False)
        return sent, CellState(thread, flow)

    def window_of(self, cell: Cell, path: str, x: Any, state: Any = None) -> tuple[Any, ...]:
        """A call of a cell's window."""
        flow = self._entering(path, cell, x)
        if not flow.several:
            what = f"a tensor {tuple(flow.shape)}, not (T, B, {cell.inputs})"
            raise misplaced(path, what, "call it for a sequence")
        thread = self._thread(cell, path, state)
        first = len(thread.inputs)
        thread.inputs.extend(flow.signals)
        steps = range(first, len(thread.inputs))
        shown = [_sent_flow(thread, name, steps, flow, several=True) for name in cell.shown]
        return (*shown, CellState(thread, flow))

    def _entering(self, path: str, cell: Cell, x: Any) -> Flow:
        if isinstance(x, Tensor) and not isinstance(x, Flow):
            x = constant_flow(self.sequence, x.to(self.sequence.dtype), path)
        if not isinstance(x, Flow):
            raise InvalidValueError(f"input of cell {path!r}", type(x).__name__, "a tensor")
        if x.features != (cell.inputs,):
            raise ShapeError(f"features before cell {path!r}", x.features, f"({cell.inputs},)")
        return x

    def _thread(self, cell: Cell, path: str, state: Any) -> Thread:
        """The place of a call: a new one, or that which its state comes from."""
        if isinstance(state, CellState):
            thread = state._thread
            if thread.cell is cell and state._step == len(thread.inputs):
                return thread
            raise refusal(
                f"cell {path!r}", "a state that is not its own of the step before",
                "give each cell the state that its last call gave",
            )  # fmt: skip
        if state is not None and not _is_zero(state):
            remedy = "start from None, and give each cell the state that its last call gave"
            raise refusal(f"cell {path!r}", "a state of the module's own making", remedy)
        name = self.assembly.free_name(path or "cell")
        thread = Thread(name, path, cell)
        self.assembly.add(neurons_of(cell, name))
        self.threads.append(thread)
        return thread

    # The ways to call a module

    def over_time(self) -> list[Signal]:
        """The answers of a forward that takes sequences."""
        parameters = _parameters(self.module)
        result = self.module(self.sequence, *((None,) if len(parameters) > 1 else ()))
        answers = _answers(result, stateful=len(parameters) > 1)
        self.answers = answers
        flow = _joined(answers)
        if not flow.several:
            return list(flow.signals)
        if len(flow.signals) != STEPS:
            what = f"answers at {len(flow.signals)} of {STEPS} steps"
            raise refusal("forward", what, "answer at every step, or at the last one")
        return list(flow.signals)

    def step_by_step(self) -> list[Signal]:
        """The answers of a forward that takes one step, called again and again."""
        parameters = _parameters(self.module)
        stateful = len(parameters) > 1
        state: Any = None
        signals = []
        for x in self.steps:
            result = self.module(x, state) if stateful else self.module(x)
            if stateful:
                if not isinstance(result, tuple) or len(result) != 2:
                    remedy = "return (outputs, state)"
                    raise refusal("forward", "a state that is taken and not returned", remedy)
                state = result[1]
            self.answers = _answers(result, stateful=stateful)
            flow = _joined(self.answers)
            if flow.several:
                raise misplaced("forward", "several steps for one", "answer one step")
            signals.append(flow.signals[0])
        return signals

    def network(self, answers: Sequence[Signal], shape: Shape) -> Network:
        """The network that every step of the run is a step of."""
        for thread in self.threads:
            if len(thread.inputs) != STEPS:
                what = f"called in {len(thread.inputs)} of {STEPS} steps with its state"
                remedy = "call it once a step, with the state that it gave before"
                raise refusal(f"cell {thread.path!r}", what, remedy)
        for thread in self.threads:
            self._connect(thread, folded(thread.inputs, f"the input of cell {thread.path!r}"))
        output = folded(answers, "the answer")
        provenance = {"converted_from": f"torch module {type(self.module).__name__}"}
        if len(self.answers) > 1:
            provenance["outputs"] = _parts(self.answers)
        return self.assembly.network(output, provenance, {"input": shape})

    def _connect(self, thread: Thread, arriving: Signal) -> None:
        """Let what arrives at a cell arrive at its ports, and what it sends itself."""
        outside = ""
        for synapse in synapses_of(thread.cell, thread.name, (outside, "")):
            matrix = matrix_of(synapse.weights)
            if synapse.source == outside:
                signal = arriving.through(matrix)
            else:
                source = Source(synapse.source, synapse.variable, synapse.delay)
                signal = Signal(matrix.shape[0], {source: matrix})
            self.assembly.connect(signal, thread.name, synapse.port)


def folded(signals: Sequence[Signal], where: str) -> Signal:
    """What is the same in every step, with delays; ``signals`` are those of single steps.

    A single one is that of the last step.

    Raises:
        UnsupportedError: if a step is not like the others, sees a later one, or one long ago.
    """
    first = STEPS - len(signals)
    steps = [_relative(signal, first + n, where) for n, signal in enumerate(signals)]
    last, _ = steps[-1]
    for source in last:
        if source.delay > LONGEST_DELAY:
            remedy = f"use delays of at most {LONGEST_DELAY} steps"
            raise refusal(where, f"what was {source.delay} steps ago", remedy)
    for n, (terms, _) in enumerate(steps[:-1]):
        wanted = {source: matrix for source, matrix in last.items() if source.delay <= n}
        if terms.keys() != wanted.keys() or not all(same(m, terms[s]) for s, m in wanted.items()):
            raise _unsteady(where, n)
    size = signals[-1].size
    constants = np.stack([np.zeros(size), *(constant for _, constant in steps)])
    terms = dict(last)
    for delay, change in enumerate(np.diff(constants, axis=0)):
        if np.any(change):
            if delay > LONGEST_DELAY:
                raise _unsteady(where, delay)
            terms[Source(CONSTANT, "spikes", delay)] = change[:, None]
    return Signal(size, terms)


def _unsteady(where: str, step: int) -> Exception:
    remedy = "let forward do the same at every step, and start its own memory from zeros"
    return refusal(where, f"something else at step {step} than at others", remedy)


def _relative(signal: Signal, step: int, where: str) -> tuple[dict[Source, Matrix], FloatArray]:
    """Terms of a step by how long ago their sources were, and its constant."""
    terms: dict[Source, Matrix] = {}
    constant: FloatArray = np.zeros(signal.size)
    for source, matrix in signal.terms.items():
        if source.population == CONSTANT:
            constant = constant + np.asarray(matrix)[:, 0]
            continue
        delay = step - source.delay
        if delay < 0:
            raise refusal(where, "what is still to come", "use steps up to the present one")
        terms[Source(source.population, source.variable, delay)] = matrix
    return terms, constant


def _is_zero(state: Any) -> bool:
    """Whether a state is made of nothing but zeros."""
    if isinstance(state, Tensor):
        return not isinstance(state, Flow) and not bool(state.any())
    return isinstance(state, tuple) and all(map(_is_zero, state))


def _parameters(module: nn.Module) -> list[str]:
    """Names of what forward takes without a name: the input, and perhaps a state."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(module.forward).parameters.items()
    found = [name for name, parameter in parameters if parameter.kind in kinds]
    return found[:2]


def _answers(result: Any, *, stateful: bool) -> dict[str, Flow]:
    """The flows of an answer by name, or by number; the state beside it is left out."""
    if stateful and isinstance(result, tuple) and len(result) == 2:
        result = result[0]
    found = dict(_flows("", result))
    if not found:
        limit, remedy = "a tensor that the input reaches", "return what a cell gives"
        raise InvalidValueError("answer of forward", type(result).__name__, limit, remedy)
    return found


def _flows(name: str, result: Any) -> Iterator[tuple[str, Flow]]:
    if isinstance(result, Flow):
        yield name or "0", result
    elif isinstance(result, Mapping):
        for key, value in result.items():
            yield from _flows(f"{name}.{key}".lstrip("."), value)
    elif isinstance(result, (tuple, list)):
        for index, value in enumerate(result):
            yield from _flows(f"{name}.{index}".lstrip("."), value)


def _joined(answers: Mapping[str, Flow]) -> Flow:
    """All answers side by side."""
    flat = []
    for flow in answers.values():
        if not flow.features:
            raise misplaced("forward", "an answer without features", "answer (B, N)")
        flat.append(moved("flatten", torch.flatten, (flow, 1 + flow.several), {}))
    joined: Flow = moved("cat", torch.cat, (flat, -1), {}) if len(flat) > 1 else flat[0]
    return joined


def _parts(answers: Mapping[str, Flow]) -> str:
    """Where each answer lies in the network's, as provenance keeps it."""
    places, start = {}, 0
    for name, flow in answers.items():
        size = int(np.prod(flow.features, dtype=np.int64))
        places[name] = [start, start + size]
        start += size
    return json.dumps(places)


@contextmanager
def _recorded(module: nn.Module, run: Run) -> Iterator[None]:
    """Within it, the module's cells are those of the run; then all is as before."""
    parts = dict(module.named_modules(remove_duplicate=True))
    kept = {id(part): (part, dict(part.__dict__), dict(part._buffers)) for part in parts.values()}
    try:
        for path, part in parts.items():
            if isinstance(part, Cell):
                part.__dict__["forward"] = partial(run.step_of, part, path)
                part.__dict__["window"] = partial(run.window_of, part, path)
        with torch.no_grad():
            yield
    finally:
        for part, own, buffers in kept.values():
            part.__dict__.clear()
            part.__dict__.update(own)
            part._buffers.clear()
            part._buffers.update(buffers)


def _attempt(
    module: nn.Module, shape: Shape, graded: bool, way: Callable[[Run], list[Signal]]
) -> Network:
    run = Run(module, shape, graded)
    try:
        with _recorded(module, run):
            answers = way(run)
    except (Ltc2hwError, RecursionError):
        raise
    except Exception as error:
        # Whatever a forward of somebody else raises on flows.
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        remedy = "let it run with a state of None on tensors (T, B, ...), or (B, ...) per step"
        raise refusal(f"forward of {type(module).__name__}", text, remedy) from error
    return run.network(answers, shape)


def traced_network(module: nn.Module, shape: Shape, graded: bool) -> Network:
    """The network that a module computes, of sequences or of single steps.

    Raises:
        UnsupportedError, InvalidValueError: naming the operation, cell or layer, and the remedy.
        ShapeError: if something does not fit what comes before it.
    """
    try:
        return _attempt(module, shape, graded, Run.over_time)
    except Ltc2hwError as error:
        sequence = error
    try:
        return _attempt(module, shape, graded, Run.step_by_step)
    except Ltc2hwError as error:
        # What stopped a sequence may only say that the module takes one step.
        mixed = isinstance(sequence, MisplacedError) and not isinstance(error, MisplacedError)
        if mixed or isinstance(sequence, OneStepError):
            raise
    raise sequence


def require_known(module: nn.Module) -> None:
    """Refuse a module whose cells or modes have no meaning.

    Raises:
        UnsupportedError: naming the layer.
    """
    if not any(isinstance(part, Cell) for part in module.modules()):
        raise refusal(
            type(module).__name__,
            "a module without a cell of ltc2hw.neurons, whose meaning is known",
            "build the network from its cells, or use converters.norse or converters.nir",
        )
    for path, part in module.named_modules():
        if isinstance(part, Cell):
            require_cell(part, KNOWN_CELLS, f"cell {path!r}")
        dropping = isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0
        if part.training and (dropping or isinstance(part, nn.modules.batchnorm._BatchNorm)):
            node = f"layer {path!r} ({type(part).__name__})"
            raise refusal(node, FEATURES["training-mode"].title, "call module.eval() first")
