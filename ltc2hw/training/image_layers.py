"""Layers over images and rows as short texts: ``16k5s2p1``, ``pool2``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.scalars import shown

LIMIT = "channels and kernel, then stride and padding if need be, such as 16k5s2p1, or pool2"

CONVOLUTION = re.compile(r"(\d+)k(\d+)((?:[sp]\d+)*)")
POOLING = re.compile(r"pool(\d+)")

SMALLEST, LARGE, MOST = 5, 12, 3
"""Places along a side for a kernel of 3, and of 5, and how many usual layers there are."""

LARGEST = 1 << 16
"""Largest number in such a text."""


@dataclass(frozen=True)
class ImageLayer:
    """A population of neurons that see a window each, or the average of a window of spikes.

    ``channels`` 0 is pooling, which has windows of ``kernel`` side by side.
    """

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0

    @property
    def pools(self) -> bool:
        """Whether this averages instead of computing."""
        return self.channels == 0

    def targets(self, sources: Shape) -> Shape:
        """Shape of what this makes of images (C, H, W) or rows (C, L).

        Raises:
            ShapeError: for a kernel that does not fit.
        """
        sizes = tuple(
            (size + 2 * self.padding - self.kernel) // self.stride + 1 for size in sources[1:]
        )
        if min(sizes) < 1:
            limit = f"at most {min(sources[1:]) + 2 * self.padding}, what it slides over"
            remedy = f"the layer below is {' x '.join(map(str, sources))}"
            raise ShapeError(f"kernel of layer {self}", self.kernel, limit, remedy)
        return (self.channels or sources[0], *sizes)

    def __str__(self) -> str:
        if self.pools:
            return f"pool{self.kernel}"
        stride = f"s{self.stride}" if self.stride > 1 else ""
        padding = f"p{self.padding}" if self.padding else ""
        return f"{self.channels}k{self.kernel}{stride}{padding}"


def image_layer(text: object) -> ImageLayer:
    """Read a layer: channels, ``k`` kernel, ``s`` stride (1), ``p`` padding (0); or ``pool`` size.

    Raises:
        InvalidValueError: for another text; names it, and what it lacks.

    >>> image_layer("16k5s2p1")
    ImageLayer(channels=16, kernel=5, stride=2, padding=1)
    >>> image_layer("pool2").pools
    True
    """
    if not isinstance(text, str):
        raise InvalidValueError("layer of conv", shown(text), LIMIT)
    pooling, convolution = POOLING.fullmatch(text), CONVOLUTION.fullmatch(text)
    if pooling:
        size = _whole(text, "window", pooling[1])
        return ImageLayer(0, size, size)
    if convolution is None:
        raise InvalidValueError("layer of conv", shown(text), LIMIT)
    parts: dict[str, int] = {}
    for letter, number in re.findall(r"([sp])(\d+)", convolution[3]):
        name = {"s": "stride", "p": "padding"}[letter]
        if name in parts:
            raise InvalidValueError("layer of conv", shown(text), f"one {name}, {letter}")
        parts[name] = _whole(text, name, number, 0 if letter == "p" else 1)
    channels = _whole(text, "channels", convolution[1])
    return ImageLayer(channels, _whole(text, "kernel", convolution[2]), **parts)


def fitting_layers(shape: Shape) -> tuple[ImageLayer, ...]:
    """Layers of a usual size over samples of a shape, as many as fit; none without places.

    >>> [str(layer) for layer in fitting_layers((2, 34, 34))]
    ['16k5s2', '32k3s2', '32k3s2']
    >>> fitting_layers((784,)), fitting_layers((20, 4))
    ((), ())
    """
    layers: list[ImageLayer] = []
    while len(shape) in (2, 3) and min(shape[1:]) >= SMALLEST and len(layers) < MOST:
        large = not layers and min(shape[1:]) >= LARGE
        layers.append(ImageLayer(32 if layers else 16, 5 if large else 3, 2))
        shape = layers[-1].targets(shape)
    return tuple(layers)


def _whole(text: str, what: str, digits: str, least: int = 1) -> int:
    """A number of a layer's text, in range."""
    number = int(digits) if len(digits) < 10 else LARGEST + 1
    if not least <= number <= LARGEST:
        raise InvalidValueError(f"{what} of layer {text}", digits, f"{least} to {LARGEST}")
    return number
