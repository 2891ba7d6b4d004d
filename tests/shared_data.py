"""Real data that tests may read where a machine has them; they are no part of the project.

They lie in ``data`` below the folder that the environment variable LTC2HW_SHARED names, or below
``shared`` beside the repository. A test that needs one is skipped where it is absent.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def shared_data(*parts: str) -> Path:
    """The path of shared data, e.g. ``shared_data("nmnist", "Test.zip")``; skips where absent."""
    folder = os.environ.get("LTC2HW_SHARED") or REPOSITORY.parent / "shared"
    path = Path(folder, "data", *parts)
    if not path.exists():
        pytest.skip(f"no shared data {'/'.join(parts)}")
    return path


def sktime_data(name: str) -> Path:
    """The folder of a data set that the package sktime ships; skips where it is absent.

    The package itself is not imported: its data are files.
    """
    spec = find_spec("sktime")
    places = (spec.submodule_search_locations or []) if spec is not None else []
    for place in places:
        if (folder := Path(place, "datasets", "data", name)).is_dir():
            return folder
    pytest.skip(f"no {name} of sktime")
