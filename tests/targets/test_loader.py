"""Targets: every number cited, every file complete."""

from __future__ import annotations

from pathlib import Path

import pytest

import ltc2hw.targets
from ltc2hw.errors import DamagedFileError, InvalidValueError, UnknownNameError
from ltc2hw.targets.loader import TARGETS, load_target, read_target

FOLDER = Path(ltc2hw.targets.__file__).parent


@pytest.mark.parametrize("name", TARGETS)
def test_targets_load_under_their_own_name(name: str) -> None:
    """The table, the file and the target agree."""
    assert load_target(name).name == name


def test_every_file_is_in_the_table() -> None:
    """No target is forgotten."""
    assert sorted(path.name for path in FOLDER.glob("*.toml")) == sorted(TARGETS.values())


@pytest.mark.parametrize("name", TARGETS)
def test_every_number_has_a_source(name: str) -> None:
    """Each line that states a limit ends in a comment that cites or explains it."""
    for line in (FOLDER / TARGETS[name]).read_text().splitlines():
        statement, _, comment = line.partition("#")
        key = statement.partition("=")[0].strip()
        if statement.strip() and "=" in statement and key not in ("name", "description"):
            assert comment.strip(), line


def test_published_limits_of_loihi_1() -> None:
    """Davies et al. 2018: cores, compartments, memory, delays."""
    chip = load_target("loihi1")
    assert chip.neurons == 128 * 1024
    assert chip.synaptic_memory == 128 * 128 * 1024
    assert chip.resources.delay_maximum == 62


def test_published_limits_of_loihi_2() -> None:
    """Intel's technology brief: 128 cores of 8192 neurons and up to 128 KB for synapses each."""
    chip = load_target("loihi2")
    assert chip.neurons == 2**20
    assert chip.synaptic_memory == 128 * 128 * 1024


def test_unknown_targets_are_listed() -> None:
    """The error says what exists."""
    with pytest.raises(UnknownNameError, match=r"'loihi3'.*loihi2, loihi1, ideal"):
        load_target("loihi3")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("state = 24 ", "", "missing keys: state"),
        ("state = 24 ", "state = 24\nspeed = 9 ", "unknown keys: speed"),
        ("state = 24 ", "state = '24' ", "expected an integer"),
        ("shares_kernels = true", "shares_kernels = 1", "is 1, expected true or false"),
        ("[lif]", "[lof]", r"section \[lif\] is missing"),
        ("[lif]", "[lif", "line"),
    ],
)
def test_damaged_targets_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Missing, unknown, mistyped keys; broken TOML."""
    text = (FOLDER / "loihi2.toml").read_text()
    assert old in text
    path = tmp_path / "chip.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(DamagedFileError, match=message):
        read_target(path)


def test_a_chip_that_does_not_say_shares_no_kernels(tmp_path: Path) -> None:
    """Files of chips that were written before the key was known go on loading."""
    lines = (FOLDER / "loihi2.toml").read_text().splitlines()
    path = tmp_path / "chip.toml"
    path.write_text("\n".join(line for line in lines if not line.startswith("shares_kernels")))
    assert read_target(path).resources.shares_kernels is False


def test_words_too_wide_for_the_engines_are_refused(tmp_path: Path) -> None:
    """A product of more than 62 bits would overflow silently."""
    text = (FOLDER / "loihi2.toml").read_text().replace("state = 24 ", "state = 60 ")
    path = tmp_path / "chip.toml"
    path.write_text(text)
    with pytest.raises(InvalidValueError, match="widest product"):
        read_target(path)
