"""Our extension nodes as classes of the ``nir`` package, so that graphs in memory can hold them.

Other readers do not know their types and reject files with them; ours reads them back.
``docs/formats.md`` has their equations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from inspect import signature
from typing import Any, ClassVar

import nir
import numpy as np
import numpy.typing as npt
from nir.ir.node import NIRNode

from ltc2hw.converters.nir_graph import (
    CONVOLUTION_TYPE,
    LTC_TYPE,
    NEURONS_TYPE,
    PROJECTION_TYPE,
    READOUT_TYPE,
)
from ltc2hw.converters.nir_versions import NIR_VERSIONS, NirVersion
from ltc2hw.numbers.convolution import Conv

INSTALLED: NirVersion = NIR_VERSIONS[0 if "v_reset" in {f.name for f in fields(nir.LIF)} else 1]
"""Layout that the installed ``nir`` takes."""

UNCHECKED: Mapping[str, Any] = (
    {"type_check": False} if "type_check" in signature(nir.NIRGraph).parameters else {}
)
"""Graphs of ours fit; nir's check takes kernels for squares, and a group's channels for all."""

Array = npt.NDArray[np.float64]


class _Extension(NIRNode):
    """A node whose type in files is not the name of its class."""

    nir_type: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """The node's entries, with its type in files."""
        return {**super().to_dict(), "type": self.nir_type}

    def set_shapes(self, received: Sequence[int], sent: Sequence[int]) -> None:
        """Set the shapes that NIR checks edges by."""
        self.input_type = {"input": np.array(received)}
        self.output_type = {"output": np.array(sent)}


@dataclass(eq=False)
class LTCNode(_Extension):
    """LTC spiking neurons (the model ``ltc``), arrays of shape (N,)."""

    threshold: Array
    adaptation_strength: Array
    bias_current: Array
    tau_mem_bias: Array
    tau_mem_from_state: Array
    tau_mem_from_current: Array
    tau_mem_nonlinearity: str
    tau_adp_bias: Array
    tau_adp_from_state: Array
    tau_adp_from_current: Array
    tau_adp_nonlinearity: str

    nir_type: ClassVar[str] = LTC_TYPE

    def __post_init__(self) -> None:
        """One value per neuron, in and out."""
        self.set_shapes(self.threshold.shape, self.threshold.shape)


@dataclass(eq=False)
class GatedLINode(_Extension):
    """Leaky integrators whose gate moves (the model ``readout``), arrays (N,)."""

    bias_current: Array
    tau_mem_bias: Array
    tau_mem_from_state: Array
    tau_mem_from_current: Array
    tau_mem_nonlinearity: str

    nir_type: ClassVar[str] = READOUT_TYPE

    def __post_init__(self) -> None:
        """One value per neuron, in and out."""
        self.set_shapes(self.bias_current.shape, self.bias_current.shape)


@dataclass(eq=False)
class NeuronsNode(_Extension):
    """Neurons of any model: its text, and its constants (K, N) in the order of the model."""

    model: str
    shape: npt.NDArray[np.int64]
    constants: Array
    nonlinearities: str

    nir_type: ClassVar[str] = NEURONS_TYPE

    def __post_init__(self) -> None:
        """One value per neuron, in and out."""
        self.input_type = {"input": self.shape}
        self.output_type = {"output": self.shape}


@dataclass(eq=False)
class ProjectionNode(_Extension):
    """Weights (N, M) from a variable to a port, ``delay`` whole steps late."""

    weight: Array
    variable: str
    port: str
    delay: int

    nir_type: ClassVar[str] = PROJECTION_TYPE

    def __post_init__(self) -> None:
        """M values in, N out."""
        self.set_shapes(self.weight.shape[1:], self.weight.shape[:1])


@dataclass(eq=False)
class ConvolutionNode(_Extension):
    """A convolution from a variable to a port; ``padding`` are pairs, else as NIR's own."""

    weight: Array
    input_shape: npt.NDArray[np.int64]
    stride: npt.NDArray[np.int64]
    padding: npt.NDArray[np.int64]
    dilation: npt.NDArray[np.int64]
    groups: int
    variable: str
    port: str
    delay: int

    nir_type: ClassVar[str] = CONVOLUTION_TYPE

    def __post_init__(self) -> None:
        """Images of channels."""
        sources = (self.weight.shape[1] * self.groups, *self.input_shape)
        stride, padding, dilation = (
            part.tolist() for part in (self.stride, self.padding, self.dilation)
        )
        made = Conv(self.weight, sources, stride, padding, dilation, self.groups)
        self.set_shapes(made.sources, made.targets)


EXTENSIONS: Mapping[str, type[_Extension]] = {
    LTC_TYPE: LTCNode,
    READOUT_TYPE: GatedLINode,
    NEURONS_TYPE: NeuronsNode,
    PROJECTION_TYPE: ProjectionNode,
    CONVOLUTION_TYPE: ConvolutionNode,
}


def graph_of(entries: Mapping[str, Any]) -> nir.NIRGraph:
    """A graph object from its dictionary."""
    return nir.NIRGraph(
        {name: _node(node) for name, node in entries["nodes"].items()},
        list(entries["edges"]),
        metadata=dict(entries["metadata"]),
        **UNCHECKED,
    )


def _node(entries: Mapping[str, Any]) -> NIRNode:
    # Older releases have nodes without metadata.
    kept = {name: value for name, value in entries.items() if name != "metadata" or value}
    kind = EXTENSIONS.get(kept.pop("type"))
    if kind is None:
        return nir.dict2NIRNode({**kept, "type": entries["type"]})
    return kind(**kept)
