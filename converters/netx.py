"""lava-dl: slayer modules and netx HDF5 files into integer networks, and CUBA networks into netx.

Both directions keep every bit: the neurons are slayer's quantized CUBA neurons, which are Lava's
fixed-point LIF (the model ``lif``) as long as nothing overflows.

Time: slayer delays what a block sends by one step (``delay_shift``), as Lava's ``Dense`` does, so
layers after the first are reached with delay 1 + the block's axonal delay. Spikes of layer k at
step t are what slayer's block k answers at step t + 1. Lava's first ``Dense`` adds one more step,
in which biases already act: for networks with biases, give our engines one zero sample first to
get ``netx.hdf5.Network``'s spikes step by step.

Sources: lava-dl 0.6.0, ``lava/lib/dl/netx/hdf5.py``, ``slayer/block/base.py``, ``slayer/neuron``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol, cast

import h5py

from ltc2hw.converters.conversion import Change, Conversion
from ltc2hw.converters.netx_images import with_kernels_that_netx_holds
from ltc2hw.converters.netx_layers import read_layers, write_layers
from ltc2hw.converters.netx_network import (
    chain_of,
    hops_of,
    layers_of,
    network_of,
    rescaled,
    too_fine,
)
from ltc2hw.converters.netx_record import default_record, read_record, write_record
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.foreign_hdf5 import ForeignTree, read_foreign, tree_of
from ltc2hw.files.hdf5 import writing
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.target import Target
from ltc2hw.numbers.convolution import Shape, image_shape
from ltc2hw.numbers.words import Word
from ltc2hw.registry import find_target

StrPath = str | os.PathLike[str]

FREE_NUMBERS = 1 << 21
"""How many numbers more than it stores a netx file may unfold to."""


class Block(Protocol):
    """What is used of a slayer block."""

    def export_hdf5(self, handle: h5py.Group) -> None:
        """Write the block's integers below ``handle``."""
        ...


def read(
    path: StrPath,
    *,
    input_word: Word | None = None,
    weight_scale: int = 64,
    target: str | Target = "loihi2",
    input_shape: Sequence[int] = (),
) -> FixedNetwork:
    """Read a netx HDF5 file into the integers that lava-dl computes with.

    ``input_word`` is the word of graded integer inputs (lava-dl's ``input_message_bits``); None
    means spikes. ``weight_scale`` is slayer's ``scale``, which says what real numbers the integers
    stand for and changes no bit. ``input_shape`` is (channels, height, width) of the samples where
    a convolution comes first and no layer says it. Files that :func:`write` wrote come back as they
    were.

    Raises:
        UnsupportedError: naming the layer and what of it cannot be kept.
        DamagedFileError: if the file is truncated, hostile or no netx file.
        HardwareRuleError: if the network breaks a limit of the target.
        OSError: if there is no such file.
    """
    conversion = _import(input_word)
    # lava-dl does not compress; what is converted here is copied some ten times.
    tree = read_foreign(path, free_numbers=FREE_NUMBERS)
    layers = read_layers(tree, path, conversion, _image(input_shape))
    record = read_record(tree, path)
    if record is None:
        hops = [int(index > 0) for index in range(len(layers))]
        chip = find_target(target).name
        record = default_record(layers, hops, input_word, fraction_of(weight_scale), chip)
        origin = f"netx file {os.path.basename(path)}"
        return network_of(layers, record, conversion.provenance(origin), path)
    return network_of(layers, record, record.provenance, path)


def write(
    network: FixedNetwork, path: StrPath, *, allow: Collection[str] = ()
) -> tuple[Change, ...]:
    """Write a chain of CUBA populations as a netx file that lava-dl runs with the same bits.

    Returns the changes that were made; ``allow={"rescale"}`` lets states and weights be shifted
    right (see :func:`~ltc2hw.converters.netx_network.rescaled`) until netx's 8-bit weights hold
    them. Each layer of ``netx.hdf5.Network`` answers one step after the one before it, as in every
    Lava network. Names, scales and formats have no place in netx and are kept beside its layers.

    Raises:
        UnsupportedError: naming the population or projection that netx cannot hold.
        OSError: if the folder does not exist or cannot be written.
    """
    conversion = Conversion("netx-out", allow)
    names = chain_of(network, conversion)
    network = with_kernels_that_netx_holds(network, names, hops_of(network, names), conversion)
    if too_fine(network):
        conversion.meet("weight-range", too_fine(network))
        network = rescaled(network)
    layers, record = layers_of(network, names, conversion)
    with writing(path) as file:
        write_layers(file, layers)
        write_record(file, record)
    return tuple(conversion.changes)


def from_module(
    module: Block | Iterable[Block],
    *,
    input_word: Word | None = None,
    target: str | Target = "loihi2",
    input_shape: Sequence[int] = (),
) -> FixedNetwork:
    """Turn slayer blocks (a list, or a module with ``blocks``) into the integers they compute with.

    The blocks must have seen a sample, because slayer learns their sizes from it. As in lava-dl's
    own export, weight normalization is folded into the weights of the module. Each block computes
    what its export says, which a module in training, or with hooks, does not. ``input_shape`` is as
    in :func:`read`.

    Raises:
        UnsupportedError: naming the block and what of it cannot be kept.
        InvalidValueError: for something that holds no slayer blocks, or saw no sample yet.
        HardwareRuleError: if the network breaks a limit of the target.
    """
    blocks = _blocks(module)
    conversion, origin = _import(input_word), "slayer module"
    # Here, because torch is needed for nothing else.
    from ltc2hw.converters.slayer_blocks import require_plain_blocks

    require_plain_blocks(module, blocks, conversion)
    with h5py.File("blocks", "w", driver="core", backing_store=False) as file:
        for index, block in enumerate(blocks):
            try:
                block.export_hdf5(file.create_group(f"layer/{index}"))
            except (TypeError, AttributeError, ValueError, RuntimeError) as error:
                raise InvalidValueError(
                    f"block {index}", type(block).__name__, "a slayer block that saw a sample",
                    "run one sample through the module first",
                ) from error  # fmt: skip
        file.flush()
        tree = tree_of(file.id.get_file_image(), origin)
    layers = read_layers(tree, origin, conversion, _image(input_shape))
    scales = [int(block.neuron.w_scale) for block in blocks if getattr(block, "neuron", None)]
    fraction = fraction_of(scales[0])
    chip = find_target(target).name
    record = default_record(layers, _hops(blocks, tree), input_word, fraction, chip)
    return network_of(layers, record, conversion.provenance(origin), origin)


def fraction_of(weight_scale: int) -> int:
    """Fractional bits of weights in units of ``1 / weight_scale``.

    >>> fraction_of(64)
    6
    """
    fraction = weight_scale.bit_length() - 1
    if weight_scale < 1 or weight_scale != 1 << fraction:
        raise InvalidValueError("weight_scale", weight_scale, "a power of two")
    return fraction


def _image(input_shape: Sequence[int]) -> Shape:
    unsaid = isinstance(input_shape, (tuple, list)) and not input_shape
    return () if unsaid else image_shape("input_shape", input_shape, 2)


def _import(input_word: Word | None) -> Conversion:
    conversion = Conversion("netx-in")
    conversion.meet("spiking-input" if input_word is None else "graded-input", "input")
    return conversion


def _blocks(module: Any) -> Sequence[Any]:
    held = getattr(module, "blocks", module)
    if not isinstance(held, Iterable):
        raise InvalidValueError("module", type(module).__name__, "slayer blocks")
    blocks = tuple(held)
    for index, block in enumerate(blocks):
        if not hasattr(block, "export_hdf5") or not hasattr(block, "named_modules"):
            raise InvalidValueError(f"block {index}", type(block).__name__, "a slayer block")
    return blocks


def _hops(blocks: Sequence[Any], tree: ForeignTree) -> list[int]:
    """Steps into each dense layer beyond its axonal delay: one per block with ``delay_shift``."""
    layers = cast(ForeignTree, tree["layer"])
    hops, hop = [], 0
    for index, block in enumerate(blocks):
        if "weight" in cast(ForeignTree, layers[str(index)]):
            hops.append(hop)
            hop = 0
        hop += int(getattr(block, "delay_shift", False))
    return hops
