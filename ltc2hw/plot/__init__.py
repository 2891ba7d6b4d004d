"""Pictures of traces, networks, training and reports; each returns matplotlib's axes.

>>> import ltc2hw
>>> ltc2hw.plot.raster.__name__
'raster'
"""

from importlib.util import find_spec

from ltc2hw.errors import MissingExtraError

if find_spec("matplotlib") is None:
    raise MissingExtraError("plot", "drawing pictures")

from ltc2hw.plot.curve import learning_curve
from ltc2hw.plot.membrane import membrane
from ltc2hw.plot.ranges import ranges
from ltc2hw.plot.raster import raster
from ltc2hw.plot.report import account, ladder

__all__ = ["account", "ladder", "learning_curve", "membrane", "ranges", "raster"]
