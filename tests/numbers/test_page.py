"""The index arithmetic of docs/numerics.md, run as it stands there, against convolutions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw.numbers.convolution import Conv

PAGE = Path(__file__).parents[2] / "docs" / "numerics.md"


def convolved() -> Any:
    """The function that the page prints."""
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(def convolved.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names["convolved"]


@pytest.mark.parametrize("seed", range(12))
def test_the_page_says_what_a_convolution_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 2, 3]))
    inputs, outputs = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
    sources = (inputs, *(int(n) for n in rng.integers(4, 8, 2)))
    stride, dilation = (tuple(int(n) for n in rng.integers(1, 3, 2)) for _ in range(2))
    padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (2, 2)))
    row = seed % 3 == 0
    if row:
        sources, stride, dilation = (inputs, 1, sources[2]), (1, stride[1]), (1, dilation[1])
        padding = ((0, 0), padding[1])
    kernel = rng.integers(-128, 128, (outputs, inputs // groups, 1 if row else 2, 3))
    messages = rng.integers(-(1 << 40), 1 << 40, int(np.prod(sources)))
    wanted = convolved()(messages, kernel, sources, stride, padding, dilation, groups)
    if row:
        kernel, sources, padding = kernel[:, :, 0], (inputs, sources[2]), padding[1:]
        stride, dilation = stride[1:], dilation[1:]
    found = Conv(kernel, sources, stride, padding, dilation, groups).apply(messages[None])
    assert found[0].tolist() == wanted
    assert any(wanted)
