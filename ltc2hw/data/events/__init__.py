"""Recordings of event cameras: read, checked, and counted into steps and channels.

>>> binning = Binning(window_us=20_000, polarity="merge", downsample=2)
>>> events = Events([0, 9], [1, 5], [0, 20_000], [True, False], width=10, height=6)
>>> frames(events, binning).shape
(2, 15)

``read_recordings(path)`` finds the recordings of a folder or an archive, ``bin_parts`` makes
samples of them, ``dataset_recordings`` takes a data set of tonic's.
"""

from ltc2hw.data.events.batch import Binned, bin_parts, bin_recordings
from ltc2hw.data.events.binning import Binning
from ltc2hw.data.events.datasets import dataset_recordings
from ltc2hw.data.events.frames import frames
from ltc2hw.data.events.reading import read_recording
from ltc2hw.data.events.recording import Events
from ltc2hw.data.events.recordings import Recordings, read_recordings

__all__ = [
    "Binned",
    "Binning",
    "Events",
    "Recordings",
    "bin_parts",
    "bin_recordings",
    "dataset_recordings",
    "frames",
    "read_recording",
    "read_recordings",
]
