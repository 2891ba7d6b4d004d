"""Training through all rounding with fine states: of the layout that quantization makes."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import ltc2hw
from ltc2hw.errors import InvalidValueError
from ltc2hw.quantization.calibration import TRAINING_SAMPLES
from ltc2hw.tasks import load_task
from ltc2hw.training import Recipe, TrainingOptions
from ltc2hw.training.options import ModelOptions
from ltc2hw.training.rounding import Rounder
from ltc2hw.training.trainer import Trainer


@pytest.mark.parametrize("fine", [False, True])
def test_states_are_those_of_quantize(*, fine: bool) -> None:
    task = load_task("add-8")
    options = TrainingOptions(rounding="all", weight_bits=4, fine_states=fine, seed=3)
    module = Trainer(task, Recipe(ModelOptions(hidden=(4,)), options)).module
    trained = Rounder(module, task, options).fit()
    asked = ltc2hw.QuantizeOptions(weight_bits=4, fine_states=fine)
    x = task.train.x[:, :TRAINING_SAMPLES]
    made = ltc2hw.quantize(trained.network, "loihi2", x, asked)
    assert (trained.fixed.populations, trained.fixed.projections) == (
        made.populations,
        made.projections,
    )
    other = ltc2hw.quantize(
        trained.network, "loihi2", x, ltc2hw.QuantizeOptions(weight_bits=4, fine_states=not fine)
    )
    assert trained.fixed.populations != other.populations


def test_fine_states_are_those_of_all_rounding() -> None:
    with pytest.raises(InvalidValueError, match="fine_states is True; expected False"):
        TrainingOptions(fine_states=True)
    with pytest.raises(InvalidValueError, match="fine_states"):
        TrainingOptions(rounding="all", fine_states=1)  # type: ignore[arg-type]


def test_one_definition_says_how_many_samples_calibrate() -> None:
    assert TrainingOptions().calibration == TRAINING_SAMPLES
