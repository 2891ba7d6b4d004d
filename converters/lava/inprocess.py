"""Lava's and our process models without Lava's runtime: the same classes, stand-in ports.

The runtime costs half a second and a few operating-system processes per network; here thousands
of networks can be compared. Every number still comes from ``run_spk`` of the real models.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.process import AbstractProcess
from lava.proc.conv.process import Conv
from lava.proc.dense.models import (
    PyDelayDenseModelBitAcc,
    PyDenseModelBitAcc,
    PyLearningDenseModelBitApproximate,
)
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.lif.process import LIF as LavaLIF
from lava.proc.sparse.models import PyDelaySparseModelBitAcc, PySparseModelBitAcc
from lava.proc.sparse.process import DelaySparse, Sparse

from ltc2hw.converters.lava.assembly import build_network
from ltc2hw.converters.lava.processes.convolution import WideConvModel
from ltc2hw.converters.lava.processes.lif import RecordedLIFModel
from ltc2hw.converters.lava.processes.neurons import Neurons, NeuronsModel
from ltc2hw.converters.lava.processes.source import Source, SourceModel
from ltc2hw.converters.lava.runs import Request
from ltc2hw.converters.lava.wiring import IMAGE_DIMENSIONS
from ltc2hw.graph.fixed import FixedInput, FixedNetwork
from ltc2hw.graph.trace import State, Trace

MODELS: dict[type[AbstractProcess], type[Any]] = {
    Source: SourceModel,
    Neurons: NeuronsModel,
    LavaLIF: RecordedLIFModel,
    Dense: PyDenseModelBitAcc,
    Sparse: PySparseModelBitAcc,
    Conv: WideConvModel,
    DelayDense: PyDelayDenseModelBitAcc,
    LearningDense: PyLearningDenseModelBitApproximate,
    DelaySparse: PyDelaySparseModelBitAcc,
}
"""The model that Lava's run configuration picks for each process."""


class _NotYet(Exception):
    """Ends a connection's step where it would wait for this step's messages."""


class _Sender:
    """Stand-in of an out-port: keeps what was sent, in the port's own integer type."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.data = np.zeros(shape, dtype)

    def send(self, data: npt.ArrayLike) -> None:
        self.data[:] = data


class _Receiver:
    """Stand-in of an in-port: the sum of what its senders sent, zeros without any."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.silence = np.zeros(shape, dtype)
        self.senders: list[_Sender] = []
        self.ready = True

    def recv(self) -> npt.NDArray[Any]:
        if not self.ready:
            raise _NotYet
        if not self.senders:
            return self.silence.copy()
        total = self._seen(self.senders[0]).copy()
        for sender in self.senders[1:]:
            total = total + self._seen(sender)
        return total

    def _seen(self, sender: _Sender) -> npt.NDArray[Any]:
        """What arrives, as :func:`~ltc2hw.converters.lava.wiring.connect` turns it."""
        shape = self.silence.shape
        if sender.data.shape == shape:
            return sender.data
        if len(shape) == IMAGE_DIMENSIONS:
            return sender.data.reshape(shape[::-1]).transpose()
        return sender.data.transpose().reshape(shape)


def simulate(
    network: FixedNetwork,
    x: npt.ArrayLike,
    record: Sequence[str] | str = ("spikes", "membrane"),
    state: State | None = None,
) -> Trace:
    """As :func:`ltc2hw.converters.lava.engine.simulate`, without runtime and processes."""
    request = Request.make(network, x, record, state)
    built = build_network(network, request.feed(lambda _: ""))
    neurons = {name: make_model(process) for name, process in built.populations.items()}
    chains = [[make_model(process) for process in chain] for chain in built.connections]
    for projection, chain in zip(network.projections, chains, strict=True):
        source, target = neurons[projection.source], neurons[projection.target]
        chain[0].s_in.senders.append(_out_port(source, projection.variable))
        for first, second in pairwise(chain):
            second.s_in.senders.append(first.a_out)
        _in_port(target, projection.port).senders.append(chain[-1].a_out)
    connections = [connection for chain in chains for connection in chain]
    run_models(tuple(neurons.values()), connections, request.chip_steps)
    return request.trace(
        {
            p.name: neurons[p.name].recorder.record
            for p in network.populations
            if not isinstance(p, FixedInput)
        }
    )


def run_models(neurons: Sequence[Any], connections: Sequence[Any], chip_steps: int) -> None:
    """Run wired models from the first chip step on; connections send what they last added up."""
    for chip_step in range(1, chip_steps + 1):
        for model in (*neurons, *connections):
            model.time_step = chip_step
        for connection in connections:
            _send_only(connection)
        for model in neurons:
            model.run_spk()
        for connection in connections:
            connection.run_spk()


def _send_only(connection: Any) -> None:
    """First half of a connection's step: it sends the last sum before it waits for messages."""
    connection.s_in.ready = False
    try:
        connection.run_spk()
    except _NotYet:
        return
    finally:
        connection.s_in.ready = True


def make_model(process: AbstractProcess) -> Any:
    """Build a process's model as Lava's builder does, with stand-in ports."""
    kind = MODELS[type(process)]
    model = kind(process.proc_params)
    for variable in process.vars:
        declared: LavaPyType = getattr(kind, variable.name)
        if declared.cls is np.ndarray:
            array = np.zeros(variable.shape, declared.d_type)
            array[:] = variable.init
            setattr(model, variable.name, array)
        else:
            setattr(model, variable.name, variable.init)
    for port in (*process.in_ports, *process.out_ports):
        declared = getattr(kind, port.name)
        stand_in = _Receiver if issubclass(declared.cls, PyInPort) else _Sender
        assert issubclass(declared.cls, (PyInPort, PyOutPort))
        setattr(model, port.name, stand_in(port.shape, declared.d_type))
    return model


def _out_port(model: Any, variable: str) -> _Sender:
    if isinstance(model, RecordedLIFModel):
        sender = model.s_out
    elif isinstance(model, SourceModel):
        sender = model.value_out
    else:
        sender = getattr(model, f"{variable}_out")
    assert isinstance(sender, _Sender)
    return sender


def _in_port(model: Any, port: str) -> _Receiver:
    receiver = model.a_in if isinstance(model, RecordedLIFModel) else getattr(model, f"{port}_in")
    assert isinstance(receiver, _Receiver)
    return receiver
