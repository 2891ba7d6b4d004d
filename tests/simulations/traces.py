"""Equality of traces, bit by bit."""

from __future__ import annotations

import numpy as np

from ltc2hw.graph.trace import State, Trace


def assert_same_trace(found: Trace, expected: Trace) -> None:
    """Every recorded array, the outputs, the saturations and the final state are equal."""
    arrays, wanted = found.recorded(), expected.recorded()
    assert list(arrays) == list(wanted)
    for key, array in wanted.items():
        assert arrays[key].dtype == array.dtype, key
        np.testing.assert_array_equal(arrays[key], array, err_msg=".".join(key))
    assert found.outputs.dtype == expected.outputs.dtype
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    assert found.saturations == expected.saturations
    assert_same_state(found.state, expected.state)


def assert_same_state(found: State, expected: State) -> None:
    """The same registers, past messages included, with the same integers."""
    assert found.keys() == expected.keys()
    for name, registers in expected.items():
        assert found[name].keys() == registers.keys()
        for register, values in registers.items():
            assert found[name][register].dtype == values.dtype
            np.testing.assert_array_equal(
                found[name][register], values, err_msg=f"{name}.{register}"
            )
