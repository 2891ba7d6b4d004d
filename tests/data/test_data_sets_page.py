"""``docs/data-sets.md`` names every data set, its files, folders, page and licence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ltc2hw.data.events.sets import EVENT_SETS
from ltc2hw.data.mnist import FASHION, MNIST
from ltc2hw.data.places import ROOT, DataSet
from ltc2hw.tasks.images import PERMUTATION_SEED, SPIKE_SEEDS, VALIDATION_IMAGES
from ltc2hw.tasks.named import NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "data-sets.md").read_text(encoding="utf-8")
SETS = (MNIST, FASHION, *(one.about for one in EVENT_SETS.values()))


def test_the_table_has_every_name() -> None:
    table = PAGE.partition("## What there is")[2].partition("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    first = [cell for row in rows for cell in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert first == list(NAMES)


@pytest.mark.parametrize("about", SETS, ids=lambda about: about.title)
def test_the_files_of_each_are_told(about: DataSet) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| {about.title} (")]
    assert len(rows) == 1
    for word in (*about.folders, *about.elsewhere):
        assert f"`{word}`" in rows[0]
    assert about.home in PAGE
    assert about.licence in rows[0]


def test_what_is_drawn_is_told_with_its_seed() -> None:
    for number in (PERMUTATION_SEED, *SPIKE_SEEDS.values()):
        assert str(number) in PAGE
    assert f"last {VALIDATION_IMAGES:,} training images" in PAGE
    assert ROOT in PAGE
