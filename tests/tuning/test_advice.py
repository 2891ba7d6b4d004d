"""The first advice names the fault that was planted, and its command wins back half of the loss."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.comparison.compare import compare
from ltc2hw.quantization.history import Source
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.targets import load_target
from ltc2hw.tuning.advice import advise
from ltc2hw.tuning.commands import Names, quantize_command
from ltc2hw.tuning.made_with import made_with
from tests.tuning.planted import FAULTS, Planted, plain, task_of

MENDS = {
    "outlier": "equalise",
    "lone_weight": "equalise",
    "slow_leak": "fine-states",
    "clipped_input": "scale",
}


def accuracy(planted: Planted, fixed: ltc2hw.FixedNetwork) -> float:
    """Accuracy on the test samples."""
    test = planted.task.test
    return planted.task.score(ltc2hw.simulate(fixed, test.x, "fast").outputs, test.labels)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_advice_wins_back_half_of_the_loss(fault: str, tmp_path: Path) -> None:
    planted = FAULTS[fault]()
    ltc2hw.save(planted.network, tmp_path / "model.h5")
    options = QuantizeOptions(allow=tuple(LIMITS))
    task = planted.task
    fixed = ltc2hw.quantize(planted.network, "loihi2", task.train.x, options)
    report = compare(planted.network, fixed, task.test.x, task.test.labels, ("fast",))
    assert report.account is not None
    names = Names(
        str(tmp_path / "model.h5"),
        "loihi2",
        f"tests.tuning.planted:{fault}_task",
        str(tmp_path / "mended.h5"),
    )
    advice = advise(
        report.account, planted.network, fixed, "loihi2", samples=task.validation.x, names=names
    )
    assert advice[0].remedy == MENDS[fault]
    assert advice[0].cost == "nothing"
    assert advice[0].gain > 0.4 * report.lost > 0.03
    program, *words = shlex.split(advice[0].command)
    assert program == "ltc2hw"
    assert main([*words, "--quiet"]) == 0
    mended = ltc2hw.load(tmp_path / "mended.h5")
    assert isinstance(mended, ltc2hw.FixedNetwork)
    before, after = accuracy(planted, fixed), accuracy(planted, mended)
    assert after - before >= 0.5 * (1.0 - before)


def test_where_nothing_is_lost_nothing_is_advised() -> None:
    network = plain()
    task = task_of(network, 5)
    fixed = ltc2hw.quantize(network, "ideal", task.train.x)
    report = compare(network, fixed, task.test.x, task.test.labels, ("fast",))
    assert report.account is not None
    assert advise(report.account, network, fixed, "ideal") == ()


def test_coarse_weights_may_be_trained_or_made_wider() -> None:
    network = plain()
    task = task_of(network, 5)
    options = QuantizeOptions(weight_bits=3)
    fixed = ltc2hw.quantize(network, "loihi2", task.train.x, options)
    report = compare(network, fixed, task.test.x, task.test.labels, ("fast",))
    assert report.account is not None
    advice = advise(report.account, network, fixed, "loihi2", names=Names(task="my task"))
    by_remedy = {one.remedy: one for one in reversed(advice)}
    assert advice[-1].remedy == "train"
    assert advice[-1].command == (
        "ltc2hw train 'my task' --start model.h5 --weight-bits 3 --out trained.h5"
    )
    assert by_remedy["round"].command == (
        "ltc2hw quantize model.h5 --target loihi2 --task 'my task' --weight-bits 3"
        " --rounding arriving --out fixed.h5"
    )
    wider = by_remedy["wider"]
    assert "--weight-bits 3 --bits '" in wider.command
    assert wider.cost.endswith(" bytes")
    free = [one.cost == "nothing" for one in advice]
    assert free[0]
    assert all(one.gain > 0 for one in advice)


@pytest.mark.parametrize(
    "options",
    [
        QuantizeOptions(),
        QuantizeOptions(weight_bits=4),
        QuantizeOptions(weight_bits=5, fine_states=True),
        QuantizeOptions(bits={"input": 6, "table:hidden0.tau_mem": 5}),
        QuantizeOptions(bits={"input.value->hidden0.current": 6}),
    ],
)
def test_options_are_read_from_the_integers(options: QuantizeOptions) -> None:
    network = plain()
    x = task_of(network, 5).train.x
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    found = made_with(network, fixed, load_target("loihi2"))
    assert found == options
    assert ltc2hw.quantize(network, "loihi2", x, found) == fixed


def test_a_command_says_all_options() -> None:
    options = QuantizeOptions(
        weight_bits=4,
        fine_states=True,
        bits={"a.spikes->b.current": 6},
        scale={"input": 2},
        rounding="arriving",
        allow=("slow-leak",),
    )
    source = Source("task", "add-8", samples=7)
    assert quantize_command(Names(model="my net.h5", calibrated=source), options) == (
        "ltc2hw quantize 'my net.h5' --target loihi2 --task add-8 --weight-bits 4 --fine-states"
        " --bits 'a.spikes->b.current=6' --scale input=+2 --rounding arriving --allow slow-leak"
        " --samples 7 --out fixed.h5"
    )
