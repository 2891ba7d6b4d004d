"""An integer network as a folder that runs in Lava without ltc2hw.

The folder holds the network as a plan (JSON) and arrays (npz), the process models, a script, the
integers of a sample run as checksums, and a README.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.conversion import Change, Conversion
from ltc2hw.converters.exported import meet_features, random_samples
from ltc2hw.converters.lava.copies import copied_modules
from ltc2hw.converters.lava.limits import check_expressible
from ltc2hw.converters.lava.schedule import make_schedule
from ltc2hw.converters.lava.shim import LAVA_RELEASE
from ltc2hw.converters.lava.standalone import ARRAYS_FILE, EXPECTED_FILE, NETWORK_FILE, digest
from ltc2hw.errors import UnsupportedError
from ltc2hw.files.atomic import require_output_folder, write_files
from ltc2hw.files.texts import in_markdown
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.quantization.report import KEY as REPORT
from ltc2hw.registry import find_engine

PACKAGE = "ltc2hw_lava"
"""Name of the package of process models in the folder."""

ROOTS = ("ltc2hw.converters.lava.standalone",)
"""What an exported network needs of ltc2hw, beside all that this imports."""

PACKAGE_TEXT = '"""What runs the network of this folder in Lava; copied from ltc2hw."""\n'

SCRIPT = f'''"""Runs the network of this folder in Lava; see README.md."""

import sys
from pathlib import Path

from {PACKAGE}.standalone import main

if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent, sys.argv[1:]))
'''


def write_folder(
    network: FixedNetwork,
    folder: str | os.PathLike[str],
    samples: npt.ArrayLike | None,
    allow: Collection[str],
) -> tuple[Change, ...]:
    """What :func:`ltc2hw.converters.lava.export` does."""
    conversion = Conversion("lava-out", allow)
    meet_features(network, conversion)
    _check_limits(network, conversion)
    require_output_folder(folder)
    x = random_samples(network) if samples is None else samples
    write_files(folder, _files(network, x))
    return tuple(conversion.changes)


def _check_limits(network: FixedNetwork, conversion: Conversion) -> None:
    """Words and delays that Lava cannot hold, under the names of the table."""
    checks: tuple[tuple[str, Callable[[FixedNetwork], object]], ...] = (
        ("other-words", check_expressible),
        ("delay-long", make_schedule),
    )
    for feature, check in checks:
        try:
            check(network)
        except UnsupportedError as error:
            remedy = f"{error.feature}; {error.remedy}"
            raise conversion.refusal(feature, error.node, remedy) from error


def _files(network: FixedNetwork, x: npt.ArrayLike) -> dict[str, bytes]:
    """Contents of all files by their names in the folder."""
    from ltc2hw.converters.lava.plan import RECORDED, Plan
    from ltc2hw.converters.lava.runs import Request

    request = Request.make(network, x, RECORDED, None)
    trace = find_engine("integer")(network, x, RECORDED)
    arrays: dict[str, Any] = {"samples": request.encoded.astype(np.int32)}
    plan = Plan(arrays).of(network, request)
    expected = {
        f"{name}/{variable}": digest(values)
        for (name, variable), values in trace.recorded().items()
        if name != network.input.name
    }
    image = io.BytesIO()
    np.savez_compressed(image, **arrays)
    texts = {
        **_modules(),
        NETWORK_FILE: json.dumps(plan, indent=1),
        EXPECTED_FILE: json.dumps(expected, indent=1),
        "run.py": SCRIPT,
        "README.md": _readme(network, plan),
    }
    return {ARRAYS_FILE: image.getvalue(), **{name: text.encode() for name, text in texts.items()}}


def _modules() -> dict[str, str]:
    """What runs in Lava, importing from the folder's package instead of from ltc2hw."""
    modules = {"__init__.py": PACKAGE_TEXT, **copied_modules(ROOTS, PACKAGE)}
    return {f"{PACKAGE}/{path}": text for path, text in modules.items()}


def _readme(network: FixedNetwork, plan: Mapping[str, Any]) -> str:
    """What the folder is, how to run it, and how to read its integers."""
    rows = []
    for population in network.populations:
        name, kind = population.name, type(population).__name__.removeprefix("Fixed")
        skew = plan["skews"][name]
        rows.append(f"| {in_markdown(name)} | {kind} | {population.size} | {skew} |")
    given = network.input
    word = f"{given.word.bits} bits {'signed' if given.word.signed else 'unsigned'}"
    return README.format(
        lava=LAVA_RELEASE,
        package=PACKAGE,
        target=in_markdown(network.target),
        populations="\n".join(rows),
        period=plan["period"],
        size=given.size,
        word=f"graded, {word}, real = integer / 2^{given.fraction}" if given.graded else "0 or 1",
        output=in_markdown(network.output),
        provenance="\n".join(
            f"- {in_markdown(key)}: {in_markdown(value)}"
            for key, value in network.provenance.items()
            if key != REPORT
        )
        or "- nothing noted",
    )


README = """\
# An integer network in Lava

Quantized for {target} by ltc2hw. Needs lava-nc {lava} and numpy; ltc2hw is not needed.

    pip install lava-nc=={lava}     # Python 3.10; newer ones: --no-deps --ignore-requires-python,
                                    # and its dependencies; {package}/shim.py does the rest
    python run.py                   # runs the stored samples and checks every integer
    python run.py samples.npy result.npz

`samples.npy` holds integers (steps, samples, {size}): {word}. `result.npz` holds arrays
`POPULATION.VARIABLE` (steps, samples, neurons). The output is {output}. Integers beyond the
input's word are clipped to it and counted; anything but integers is refused.

| population | neurons | size | chip steps after the input |
|---|---|---|---|
{populations}

One algorithmic step takes {period} chip step(s). Every hop over a connection costs one, so
populations act one after the other; recorded arrays are in algorithmic steps, with that undone.

| file | holds |
|---|---|
| `network.json` | processes with their constants and programs, and the wires between them |
| `arrays.npz` | weights and other arrays, and the stored samples |
| `expected.json` | SHA-256 of every recorded array (shape, then little-endian 64-bit integers) |
| `{package}/processes` | the process models |
| `{package}/dynamics/integer.py` | what the programs of the neurons mean: the bit specification |

Provenance:

{provenance}
"""
