"""``docs/data.md`` names every option, and its errors are those that one gets."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from ltc2hw.cli import main
from ltc2hw.cli.data_options import add_data_options
from ltc2hw.data import DataOptions
from ltc2hw.data.events import Binning

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_every_option_is_on_the_page() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    add_data_options(parser)
    flags = {flag for action in parser._actions for flag in action.option_strings}
    assert len(flags) > 10
    assert flags <= set(re.findall(r"--[a-z-]+", PAGE))
    table = PAGE.partition("## Every option")[2]
    for field in dataclasses.fields(DataOptions):
        assert re.search(rf"`{field.name}\b", table), field.name
    for field in dataclasses.fields(Binning):
        assert f"{field.name}=" in PAGE, field.name


@pytest.mark.parametrize("name", ["square.npz", "ragged.npz", "digit-rows", "a.npz", "two.npz"])
def test_the_errors_of_the_page(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("square.npz", x=np.zeros((100, 100, 3)), y=np.arange(100) % 2)
    np.savez("ragged.npz", x=np.array([[1], [2, 3]], dtype=object), y=np.arange(2))
    np.savez("two.npz", x=np.zeros((30, 100, 3)), y=np.arange(60).reshape(30, 2) % 7)
    np.savez("a.npz", x=np.zeros((30, 100)), y=np.arange(30) % 2)
    assert main(["data", name]) == 2
    line = capsys.readouterr().err.removeprefix("ltc2hw data: error: ").strip()
    lines = re.findall(r"^\| [^|]+ \| (.+) \|$", PAGE.partition("## Errors")[2], re.MULTILINE)
    assert line in lines
