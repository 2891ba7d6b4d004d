"""Files of schema 1: a class for each of three neurons, before a neuron was a program."""

from __future__ import annotations

from typing import Any

from ltc2hw.converters.populations import (
    LIF,
    LTC,
    Factor,
    FixedGate,
    FixedLIF,
    FixedLTC,
    FixedReadout,
    Gate,
    Readout,
)
from ltc2hw.files.hdf5 import Leaf, Tree
from ltc2hw.files.schema import FIELDS, Fields, Kind, Maker, Part, Parts, decode
from ltc2hw.graph.fixed import FixedInput, FixedNetwork
from ltc2hw.graph.network import Input, Network
from ltc2hw.graph.neurons import Message
from ltc2hw.numbers.words import Word

FIELDS_1: Fields = {
    **FIELDS,
    Gate: {
        "bias": Kind.REALS,
        "from_state": Kind.REALS,
        "from_current": Kind.REALS,
        "nonlinearity": Kind.TEXT,
    },
    LTC: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "threshold": Kind.REALS,
        "adaptation_strength": Kind.REALS,
        "bias_current": Kind.REALS,
        "tau_mem": Part((Gate,)),
        "tau_adp": Part((Gate,)),
    },
    LIF: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "current_decay": Kind.REALS,
        "membrane_decay": Kind.REALS,
        "threshold": Kind.REALS,
        "bias": Kind.REALS,
    },
    Readout: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "bias_current": Kind.REALS,
        "tau_mem": Part((Gate,)),
    },
    Factor: {"values": Kind.INTEGERS, "shift": Kind.INTEGER},
    FixedGate: {
        "bias": Kind.INTEGERS,
        "from_state": Part((Factor,)),
        "from_current": Part((Factor,)),
        "fraction": Kind.INTEGER,
        "output_fraction": Kind.INTEGER,
        "function": Kind.TEXT,
        "table": Kind.INTEGERS,
    },
    FixedLTC: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "state": Part((Word,)),
        "fraction": Kind.INTEGER,
        "adaptation_fraction": Kind.INTEGER,
        "threshold": Kind.INTEGERS,
        "adaptation_strength": Part((Factor,)),
        "bias_current": Kind.INTEGERS,
        "tau_mem": Part((FixedGate,)),
        "tau_adp": Part((FixedGate,)),
        "messages": Parts((Message,)),
    },
    FixedLIF: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "state": Part((Word,)),
        "fraction": Kind.INTEGER,
        "decay_fraction": Kind.INTEGER,
        "alignment": Kind.INTEGER,
        "current_decay": Kind.INTEGERS,
        "membrane_decay": Kind.INTEGERS,
        "threshold": Kind.INTEGERS,
        "bias_mantissa": Kind.INTEGERS,
        "bias_exponent": Kind.INTEGER,
    },
    FixedReadout: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "state": Part((Word,)),
        "fraction": Kind.INTEGER,
        "bias_current": Kind.INTEGERS,
        "tau_mem": Part((FixedGate,)),
        "messages": Parts((Message,)),
    },
    Network: {**FIELDS[Network], "populations": Parts((Input, LTC, LIF, Readout))},
    FixedNetwork: {
        **FIELDS[FixedNetwork],
        "populations": Parts((FixedInput, FixedLTC, FixedLIF, FixedReadout)),
    },
}
"""Every class that a file of schema 1 can hold, with all of its fields."""


def decode_old(tree: Leaf | Tree, types: tuple[Maker, ...]) -> Any:
    """Build an object from a tree of schema 1: the same network, with the same bits.

    Raises:
        SchemaError, Ltc2hwError: as :func:`~ltc2hw.files.schema.decode`.
    """
    return decode(tree, types, FIELDS_1)
