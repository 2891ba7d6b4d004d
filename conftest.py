"""Which modules the doctest collection leaves out where their optional package is missing."""

from __future__ import annotations

from importlib.util import find_spec

from ltc2hw.converters.lava.shim import install_finder

# Modules that import an optional package at the top, by the package that they need.
NEEDS = {
    "torch": (
        "ltc2hw/neurons/*",
        "ltc2hw/training/*",
        "ltc2hw/converters/torch.py",
        "tests/neurons/*",
        "tests/golden/training.py",
        "tests/training/*",
        "tests/converters/test_torch.py",
    ),
    "norse": (
        "ltc2hw/converters/norse*.py",
        "tests/converters/test_norse.py",
        "tests/converters/cells/of_norse.py",
    ),
    "nir": (
        "ltc2hw/converters/nir_nodes.py",
        "tests/converters/nir_reference.py",
        "tests/converters/cells/of_nir.py",
    ),
    "matplotlib": (
        "ltc2hw/comparison/charts.py",
        "ltc2hw/comparison/drawing.py",
        "ltc2hw/comparison/figures.py",
        "ltc2hw/comparison/page.py",
        "tests/comparison/test_charts.py",
        "tests/comparison/test_explorer.py",
        "tests/comparison/test_report.py",
        "ltc2hw/plot/*",
        "tests/plot/*",
    ),
    "lava": ("ltc2hw/converters/lava/processes/*", "tests/converters/lava_jobs/*"),
}

collect_ignore_glob = [
    pattern
    for package, patterns in NEEDS.items()
    if find_spec(package) is None
    for pattern in patterns
]

# Tests may import Lava before anything of ltc2hw.
install_finder()
