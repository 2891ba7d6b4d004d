"""The table of features, cell by cell: what the converters do is what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from ltc2hw.converters.conversion import Change, Conversion
from ltc2hw.converters.features import COLUMNS, FEATURES, Column, Status, changes_of, refused
from ltc2hw.converters.formats_page import filled
from ltc2hw.errors import UnknownNameError, UnsupportedError
from ltc2hw.extras import how_to_install

ROOT = Path(__file__).parents[2]

# lava-dl, Norse and NIR use what torch, numpy and each other have since renamed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

# Module with the cells of each column, the name in it, and the package that it needs.
SOURCES: Mapping[Column, tuple[str, str, str]] = {
    "norse-in": ("of_norse", "IMPORTS", "norse"),
    "norse-out": ("of_norse", "EXPORTS", "norse"),
    "nir-in": ("of_nir", "IMPORTS", "nir"),
    "nir-out": ("of_nir", "EXPORTS", "nir"),
    "netx-in": ("of_netx", "IMPORTS", "h5py"),
    "netx-out": ("of_netx", "EXPORTS", "h5py"),
    "sfptt-in": ("of_sfptt", "IMPORTS", "numpy"),
    "lava-out": ("of_lava", "EXPORTS", "lava.magma"),
    "c-out": ("of_c", "EXPORTS", "numpy"),
}

CELLS = [(column, name) for name, feature in FEATURES.items() for column in feature.cells]


def cells_of(column: Column) -> Mapping[str, Callable[..., str]]:
    """A conversion for every feature of a column; returns the changes that it made."""
    module, name, package = SOURCES[column]
    pytest.importorskip(package)
    found: Mapping[str, Callable[..., str]] = getattr(
        import_module(f"tests.converters.cells.{module}"), name
    )
    return found


@pytest.mark.parametrize("column", list(COLUMNS))
def test_every_cell_has_its_conversion(column: Column) -> None:
    table = {name for name, feature in FEATURES.items() if column in feature.cells}
    assert set(cells_of(column)) == table


@pytest.mark.parametrize(("column", "name"), CELLS, ids=lambda part: part)
def test_the_converter_does_what_the_cell_says(
    column: Column, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert, feature = cells_of(column)[name], FEATURES[name]
    cell = feature.cells[column]
    every = frozenset(changes_of(column))
    if cell.status is Status.REFUSED:
        with pytest.raises(UnsupportedError) as caught:
            convert(allow=every, folder=tmp_path)
        assert caught.value.where == COLUMNS[column]
        assert caught.value.feature == feature.title
        assert caught.value.remedy
        assert caught.value.node
        return
    changes = convert(allow=every, folder=tmp_path)
    if cell.status is Status.CHANGED:
        assert f"{cell.change}: " in changes
        with pytest.raises(UnsupportedError) as caught:
            convert(allow=every - {cell.change}, folder=tmp_path)
        assert caught.value.feature == feature.title
        assert f"allow={{'{cell.change}'}}" in caught.value.remedy
        return
    # The converter asks the table: with another cell it would have refused.
    monkeypatch.setitem(feature.cells, column, refused("a cell of this test"))
    with pytest.raises(UnsupportedError) as caught:
        convert(allow=every, folder=tmp_path)
    assert (caught.value.feature, caught.value.remedy) == (feature.title, "a cell of this test")


def test_the_page_is_generated_from_the_table() -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert filled(page) == page, "renew it with scripts/write_formats.py"
    for feature in FEATURES.values():
        assert f"| {feature.title} |" in page


def test_every_change_is_described_and_every_refusal_has_a_remedy() -> None:
    for feature in FEATURES.values():
        for cell in feature.cells.values():
            assert bool(cell.change) == (cell.status is Status.CHANGED)
            assert cell.text or cell.status is Status.EXACT


def test_unknown_changes_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="expected one of initial-membrane"):
        Conversion("norse-in", {"initial-membranes"})
    with pytest.raises(UnknownNameError, match="expected one of none"):
        Conversion("netx-in", {"rescale"})


def test_changes_are_listed_in_order() -> None:
    conversion = Conversion("nir-in", {"round-delay"})
    assert conversion.provenance("a file") == {"converted_from": "a file"}
    for node in ("first", "second"):
        conversion.meet("fractional-delay", node)
    text = FEATURES["fractional-delay"].cells["nir-in"].text
    assert conversion.changes == [
        Change("round-delay", "first", text),
        Change("round-delay", "second", text),
    ]
    listed = conversion.provenance("a file")["changes"]
    assert listed == f"round-delay: first: {text}; round-delay: second: {text}"


def test_the_page_names_functions_that_are_there() -> None:
    import ltc2hw

    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    table = page.partition("| `ltc2hw.converters.` |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \|(.*)$", table, flags=re.MULTILINE)
    assert {name for name, _ in rows} == {"norse", "nir", "netx", "sfptt", "lava", "c"}
    for name, cells in rows:
        if name == "norse":
            pytest.importorskip("norse")
        converter = getattr(ltc2hw.converters, name)
        for function in re.findall(r"`(\w+)\(", cells):
            assert callable(getattr(converter, function))


@pytest.mark.parametrize("tool", ["norse", "torch"])
def test_a_missing_tool_is_named(tool: str) -> None:
    """In a process of its own, where the tool cannot be imported."""
    script = (
        f"import sys; sys.modules[{tool!r}] = None\n"
        "import ltc2hw\n"
        "from ltc2hw.errors import MissingExtraError\n"
        f"try: ltc2hw.converters.{tool}\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert f"needs the extra '{tool}': {how_to_install(tool)}" in done.stdout, done.stderr
