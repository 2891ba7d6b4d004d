"""ltc2hw's torch modules, and your own that are made of its cells, to a Network and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from ltc2hw.converters.torch_cells import chain_network, require_plain
from ltc2hw.converters.torch_run import require_known, traced_network
from ltc2hw.converters.torch_shapes import shapes_to_try
from ltc2hw.errors import InvalidValueError, Ltc2hwError, ShapeError
from ltc2hw.graph.network import Network
from ltc2hw.neurons import GraphNetwork, SpikingNetwork, to_module

__all__ = ["from_module", "to_module"]


def from_module(
    module: nn.Module,
    provenance: Mapping[str, str] | None = None,
    *,
    input_shape: int | Sequence[int] | None = None,
    graded_input: bool | None = None,
) -> Network:
    """The Network that computes what a module made of this package's cells computes.

    A ``SpikingNetwork`` has populations ``input``, ``hidden`` (``hidden1``, ``hidden2``, ... if
    there are several) and ``output``, or the names of the network that it was made of; a
    ``GraphNetwork`` is the network that it was made of, with its parameters of now.

    Any other module is run: its ``forward`` takes sequences (T, B, ...), or one step (B, ...), and
    perhaps a state, which starts as None and is returned beside the answer. Between cells may
    stand linear layers, convolutions, average pooling, batch norm and dropout (``eval()``), sums,
    ``torch.cat``, and whatever moves numbers; a cell's output may go to any cell, of the next step,
    too. Several answers stand side by side in the network's output (``provenance["outputs"]`` says
    where). Populations have the names of their cells. ``input_shape``: the size of a sample at
    one step, (2, 34, 34) for instance; None where a linear layer or a cell says it.
    ``graded_input``: whether samples are any real numbers, or spikes; None takes
    ``module.graded_input``, or any numbers.

    Parameters are copied exactly (float32 widened to float64).

    Raises:
        UnsupportedError: naming the operation and its line, the layer or the cell, and the remedy.
        InvalidValueError: for parameters that are not plain, finite numbers of single or double
            precision, or a missing ``input_shape``.
        ShapeError: for parameters or samples of shapes that do not fit.

    >>> from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
    >>> module = SpikingNetwork([LTCCell(3, 5)], ReadoutCell(5, 2))
    >>> [population.name for population in from_module(module).populations]
    ['input', 'hidden', 'output']
    """
    network = _network_of(module, input_shape, graded_input)
    return replace(network, provenance={**network.provenance, **(provenance or {})})


def _network_of(
    module: nn.Module, shape: int | Sequence[int] | None, graded: bool | None
) -> Network:
    if isinstance(module, SpikingNetwork):
        network = chain_network(module)
        kept = {} if module.template is None else module.template.provenance
        return replace(network, provenance=kept)
    if isinstance(module, GraphNetwork):
        for name, part in module.named_modules():
            require_plain(part, type(part) if name else GraphNetwork, name or "the network")
        return module.network()
    require_known(module)
    if graded is None:
        noted = getattr(module, "graded_input", True)
        graded = noted if isinstance(noted, bool) else True
    return _traced(module, shapes_to_try(module, shape), graded)


def _traced(module: nn.Module, shapes: Sequence[tuple[int, ...]], graded: bool) -> Network:
    """The network of the one input shape that the module takes."""
    found, problems = [], list[Ltc2hwError]()
    for shape in shapes:
        try:
            found.append(traced_network(module, shape, graded))
        except Ltc2hwError as error:
            problems.append(error)
    if len(found) > 1:
        sizes = " and ".join(str(network.input.size) for network in found)
        limit, remedy = "the size of a sample at one step", "pass input_shape=..."
        raise InvalidValueError("input_shape", f"unsaid, and may be {sizes}", limit, remedy)
    if not found:
        # A size that does not fit says less than anything else.
        raise next((p for p in problems if not isinstance(p, ShapeError)), problems[0])
    return found[0]
