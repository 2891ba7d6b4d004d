"""The loss of a comparison: stage by stage, and shared out between what was rounded."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.axes import Axes

from ltc2hw.comparison.drawing import STYLE
from ltc2hw.comparison.figures import draw_account, draw_ladder
from ltc2hw.comparison.report import Report
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.scalars import require_type


def account(report: Report) -> Axes:
    """Draw what every part has of the loss, from the float score above to the integers' below.

    Whiskers are intervals of 95 %; parts beyond the largest are one bar.

    Raises:
        InvalidValueError: for what is no report, or has no account.

    >>> import numpy as np, ltc2hw
    >>> from ltc2hw.graph.network import Input, Network, Projection
    >>> from ltc2hw.numbers.weights import Dense
    >>> link = Projection("input", "spikes", "out", "current", Dense([[0.3, 1.0], [0.9, 0.0]]))
    >>> net = Network((Input("input", 2), ltc2hw.Neurons("out", 2, "readout")), (link,), "out")
    >>> x, labels = np.ones((4, 3, 2)), [0, 0, 1]
    >>> fixed = ltc2hw.quantize(net, "loihi2", x)
    >>> axes = account(ltc2hw.compare(net, fixed, x, labels, engines=("integer",)))
    >>> axes.get_xlabel()
    'accuracy (%)'
    """
    require_type("report", report, Report)
    if report.account is None:
        raise InvalidValueError(
            "account of the report",
            "none",
            "a comparison with causes",
            "leave CompareOptions as they are",
        )
    with mpl.rc_context(STYLE):
        return draw_account(report).axes[0]


def ladder(report: Report) -> Axes:
    """Draw the score at each stage from float to integers, with intervals of 95 %.

    Raises:
        InvalidValueError: for what is no report.
    """
    require_type("report", report, Report)
    with mpl.rc_context(STYLE):
        return draw_ladder(report).axes[0]
