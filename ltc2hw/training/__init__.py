"""Training: FPTT and BPTT over tasks, recipes, checkpoints."""

from ltc2hw.training.fptt import FPTT
from ltc2hw.training.options import ModelOptions, Recipe, TrainingOptions
from ltc2hw.training.recipe_file import load_recipe, save_recipe
from ltc2hw.training.trainer import EpochRecord, TrainingResult, evaluate, train

__all__ = [
    "FPTT",
    "EpochRecord",
    "ModelOptions",
    "Recipe",
    "TrainingOptions",
    "TrainingResult",
    "evaluate",
    "load_recipe",
    "save_recipe",
    "train",
]
