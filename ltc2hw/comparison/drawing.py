"""How pictures look, in reports and in ``ltc2hw.plot``; needs matplotlib (the extra ``plot``)."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ltc2hw.errors import MissingExtraError

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise MissingExtraError("plot", "drawing pictures") from error

FLOAT_COLOR = "#0072b2"
INTEGER_COLOR = "#d55e00"
BOTH_COLOR = "#33383f"
WORD_COLOR = "#e4e8ee"
QUIET_COLOR = "#8a94a3"
COMMON_COLOR = "#76808e"
"""Of spikes that both sides have, in images, whose colours are the same in light and dark."""

GRID_COLOR = "#eceff3"

# Matplotlib types its settings differently from release to release.
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": QUIET_COLOR,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID_COLOR,
    "legend.frameon": False,
    "axes.labelcolor": BOTH_COLOR,
    "text.color": BOTH_COLOR,
    "xtick.color": BOTH_COLOR,
    "ytick.color": BOTH_COLOR,
    # Names are names, also with dollar signs.
    "text.parse_math": False,
    # The same report gives the same bytes.
    "svg.hashsalt": "ltc2hw",
}

WIDTH = 6.2
"""Of every figure, in inches."""

LONGEST_NAME = 46
"""Characters of a name that a picture has room for; tables have it whole."""

LONGEST_UPRIGHT = 16
"""Characters of a name beside an axis, along which it is written."""


@dataclass(frozen=True)
class Picture:
    """A rendered figure and the sentence that explains it."""

    title: str
    caption: str
    svg: bytes


@contextmanager
def in_style() -> Iterator[None]:
    """Draw as reports do.

    >>> with in_style():
    ...     float(new_figure(2.0)[0].get_figwidth())
    6.2
    """
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # The tables beside the pictures have every name in full, in the reader's own font.
        warnings.filterwarnings("ignore", r"Glyph .* missing", UserWarning)
        yield


def picture(title: str, caption: str, draw: Callable[[], Figure]) -> Picture:
    """Draw in the style of reports, and render.

    >>> from ltc2hw.comparison.charts import lines_over_steps
    >>> drawn = picture("Error", "By step.", lambda: lines_over_steps({"hidden": [0.0, 0.1]}))
    >>> drawn.svg[:5]
    b'<?xml'
    """
    with in_style():
        return Picture(title, caption, to_svg(draw()))


def to_svg(figure: Figure) -> bytes:
    """Render a figure on no ground, without a date."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True, dpi=200)
    return _PLACES.sub(lambda found: _DIGITS.sub(rb"\1", found[0]), buffer.getvalue())


_PLACES = re.compile(rb' (?:d|x|y)="[^"]*"')
_DIGITS = re.compile(rb"(\.\d\d)\d+")
"""A hundredth of a point is less than is seen; more digits would be a third of a file."""


IN_THE_DARK: Mapping[str, str] = {
    FLOAT_COLOR: "#56b4e9",
    INTEGER_COLOR: "#f08c3c",
    BOTH_COLOR: "#e3e8ee",
    WORD_COLOR: "#37414d",
    GRID_COLOR: "#29313a",
}
"""Colours on a dark ground; those that are not named stand on either."""


def in_both_schemes(svg: bytes) -> bytes:
    """The same picture in the colours of the reader's scheme, light or dark.

    >>> in_both_schemes(b'<style></style><a style="fill: #0072b2"/>')[-38:]
    b'<a style="fill: var(--light-0072b2)"/>'
    """
    names = {light: f"--light-{light[1:]}" for light in IN_THE_DARK}
    light = "".join(f"{name}:{color};" for color, name in names.items())
    dark = "".join(f"{name}:{IN_THE_DARK[color]};" for color, name in names.items())
    rules = f":root{{{light}}}@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}"
    text = svg.decode("utf-8")
    for color, name in names.items():
        text = text.replace(f": {color}", f": var({name})")
    return text.replace("</style>", f"{rules}</style>", 1).encode("utf-8")


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """A name as a picture shows it, without its middle if it is long.

    >>> shortened("hidden current"), len(shortened("x" * 252)), shortened("first_hidden", 7)
    ('hidden current', 46, 'fir…den')
    """
    if len(name) <= longest:
        return name
    half = (longest - 1) // 2
    return f"{name[: longest - 1 - half]}…{name[-half:]}"


def new_figure(
    height: float,
    rows: int = 1,
    heights: Sequence[float] | None = None,
    *,
    shared: bool = True,
) -> tuple[Figure, list[Axes]]:
    """A figure of the common width, so that all texts have one size on the page.

    Rows share their horizontal axis unless they are not to.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(
        rows, 1, squeeze=False, height_ratios=heights, sharex=shared and rows > 1
    )
    return figure, list(axes[:, 0])


def whole_numbers(axis: Axis) -> None:
    """Mark an axis of steps, samples or neurons at whole numbers."""
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
