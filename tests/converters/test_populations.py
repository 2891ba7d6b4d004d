"""Which model a population has, and the words of Lava's LIF in its formats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ltc2hw.converters.populations import FixedLIF, LIFWords, is_model, lif_words
from ltc2hw.dynamics.formats import Held
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.text import model_text, read_model
from ltc2hw.graph.network import Input
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.numbers.words import Word

WORDS = LIFWords(Word(24), 12, 12, 6, 4)
ONE = np.ones(2, dtype=np.int64)
CONSTANTS = {"current_decay": ONE, "membrane_decay": ONE, "threshold": ONE, "bias": ONE}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_known_by_its_program_alone(name: str) -> None:
    renamed = replace(find_model(name), name="renamed")
    from_file = read_model(model_text(renamed))
    for kind in (find_model(name), renamed, from_file):
        population = Neurons("a", 2, kind)
        assert [other for other in MODELS if is_model(population, find_model(other))] == [name]
    assert not is_model(Input("input", 2), find_model(name))
    assert not is_model(None, find_model(name))


@pytest.mark.parametrize("state", [Word(16), Word(24), Word(32)])
@pytest.mark.parametrize("numbers", [(12, 12, 6, 0), (0, 8, 0, 6), (20, 15, 6, 23)])
def test_lavas_words_come_back(state: Word, numbers: tuple[int, int, int, int]) -> None:
    fraction, decay_fraction, alignment, bias_exponent = numbers
    neurons = FixedLIF(
        "a", 2, state, fraction, decay_fraction, alignment, ONE, ONE, ONE, ONE, bias_exponent
    )
    assert is_model(neurons, lif)
    assert lif_words(neurons) == LIFWords(state, *numbers)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("held", "membrane", Held(12)),
        ("held", "membrane", Held.within(Word(24), 12)),
        ("held", "membrane", Held.between(Word(24).maximum, 13)),
        ("held", "current", Held.within(Word(24), 12)),
        ("held", "current", Held.wrapping_once(24, 40, 12)),
        ("ports", "current", 7),
        ("ports", "current", 13),
        ("constants", "threshold", 7),
        ("constants", "membrane_decay", 13),
        ("constants", "bias", 13),
    ],
)
def test_other_words_are_not_lavas(part: str, name: str, value: object) -> None:
    changes: dict[str, Any] = {part: {**getattr(WORDS.formats, part), name: value}}
    formats = replace(WORDS.formats, **changes)
    assert lif_words(FixedNeurons("a", 2, lif, formats, CONSTANTS)) is None


def test_another_program_is_not_lavas() -> None:
    same = WORDS.neurons("a", 2, CONSTANTS)
    other = LIFWords(Word(24), 12, 11, 6, 4)
    program = lower(lif.program, other.formats)
    assert lif_words(same) == WORDS
    assert lif_words(FixedNeurons("a", 2, lif, WORDS.formats, CONSTANTS, program=program)) is None
