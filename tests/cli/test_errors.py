"""Bad input ends in one line on stderr, status 2, and no file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ltc2hw.cli import main
from ltc2hw.cli.console import Console
from ltc2hw.cli.program import describe
from ltc2hw.extras import how_to_install
from ltc2hw.files.bundle import save
from tests.cli.networks import TASK, write_pair
from tests.random_networks import random_network

ON_TASK = ["--task", TASK]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks, whole and damaged ones, in one read-only place."""
    path = tmp_path_factory.mktemp("networks")
    model, fixed = write_pair(path)
    (path / "short.h5").write_bytes(model.read_bytes()[:-500])
    (path / "foreign.h5").write_text("hello")
    (path / "altered.h5").write_bytes(fixed.read_bytes())
    with h5py.File(path / "altered.h5", "r+") as file:
        file["content/projections/0/weights/matrix"][0, 0] += 1
    with h5py.File(path / "other.h5", "w") as file:
        file["numbers"] = [1, 2, 3]
    save(random_network(np.random.default_rng(0)), path / "larger.h5")
    return path


CASES = {
    "no such file": (["simulate", "{in}/none.h5", *ON_TASK], "none.h5: No such"),
    "truncated file": (["quantize", "{in}/short.h5", "--target", "loihi2", *ON_TASK], "short.h5"),
    "foreign file": (["simulate", "{in}/foreign.h5", *ON_TASK], "not a whole HDF5 file"),
    "another tool's file": (["simulate", "{in}/other.h5", *ON_TASK], "other.h5"),
    "altered file": (["simulate", "{in}/altered.h5", *ON_TASK], "checksum"),
    "a folder": (["simulate", "{in}", *ON_TASK], "Is a directory"),
    "unknown task": (
        ["simulate", "{in}/fixed.h5", "--task", "mnist"],
        "task is 'mnist'; expected one of digits-rows",
    ),
    "impossible length": (["simulate", "{in}/fixed.h5", "--task", "add-1"], "length of the Add"),
    "another task": (
        ["simulate", "{in}/larger.h5", *ON_TASK],
        "number of inputs is 5; expected 2 for task add-8",
    ),
    "unknown target": (
        ["quantize", "{in}/model.h5", "--target", "loihi3", *ON_TASK],
        "target is 'loihi3'; expected one of loihi2, loihi1, ideal",
    ),
    "LTC on Loihi 1": (
        ["quantize", "{in}/model.h5", "--target", "loihi1", *ON_TASK],
        "[neuron-model] hidden0: ltc",
    ),
    "too wide weights": (
        ["quantize", "{in}/model.h5", "--target", "loihi2", *ON_TASK, "--weight-bits", "9"],
        "[weight-bits]",
    ),
    "no weights": (
        ["quantize", "{in}/model.h5", "--target", "loihi2", *ON_TASK, "--weight-bits", "0"],
        "--weight-bits: invalid width (bits from 1 on, or ternary) value: '0'",
    ),
    "quantized twice": (
        ["quantize", "{in}/fixed.h5", "--target", "loihi2", *ON_TASK],
        "fixed.h5 is an integer network; expected a float network",
    ),
    "float network in an integer engine": (
        ["simulate", "{in}/model.h5", *ON_TASK, "--engine", "integer"],
        "engine is 'integer'; expected one that runs a Network",
    ),
    "unknown engine": (
        ["simulate", "{in}/fixed.h5", *ON_TASK, "--engine", "gpu"],
        "engine is 'gpu'; expected one of float64",
    ),
    "no samples": (["simulate", "{in}/fixed.h5", *ON_TASK, "--samples", "0"], "--samples: invalid"),
    "networks swapped": (
        ["compare", "{in}/fixed.h5", "{in}/model.h5", *ON_TASK],
        "fixed.h5 is an integer network",
    ),
    "unknown engine to compare": (
        ["compare", "{in}/model.h5", "{in}/fixed.h5", *ON_TASK, "--engines", "integer,gpu"],
        "engine to compare is 'gpu'",
    ),
    "a bound of another kind": (
        [
            "compare", "{in}/model.h5", "{in}/fixed.h5", *ON_TASK, "--engines", "integer",
            "--samples", "3", "--max-accuracy-drop", "1",
        ],
        "bound on accuracy is 1.0; expected one on mse",
    ),
    "a bound that is no number": (
        [
            "compare", "{in}/model.h5", "{in}/fixed.h5", *ON_TASK, "--engines", "integer",
            "--samples", "3", "--max-mse-increase", "nan",
        ],
        "bound on mse is nan",
    ),
    "unknown task to train": (["train", "mnist"], "task is 'mnist'"),
    "unknown method": (["train", "digits-rows", "--method", "rtrl"], "invalid choice: 'rtrl'"),
    "no neurons": (["train", "digits-rows", "--hidden", "0"], "--hidden: invalid list of positive"),
    "no threads": (["train", "digits-rows", "--threads", "0"], "--threads: invalid positive"),
    "negative seed": (["train", "digits-rows", "--seed", "-1"], "--seed: invalid non-negative"),
    "unknown format": (["export", "{in}/fixed.h5", "--to", "onnx"], "invalid choice: 'onnx'"),
    "neurons that a format lacks": (
        ["export", "{in}/fixed.h5", "--to", "netx"],
        "netx export cannot express population 'hidden0': LTC neurons",
    ),
    "float network to export": (
        ["export", "{in}/model.h5", "--to", "netx"],
        "run ltc2hw quantize first",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_bad_input_is_one_line(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = CASES[name]
    filled = [argument.replace("{in}", str(folder)) for argument in arguments]
    status: int | str | None
    try:
        status = main([*filled, "--out", str(tmp_path / "out.md"), "--quiet"])
    except SystemExit as exit_:
        status = exit_.code
    printed = capsys.readouterr()
    assert status == 2
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(f"ltc2hw {arguments[0]}: error: ")
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: VERB"),
        (["fly"], "invalid choice: 'fly'"),
        (["targets", "loihi2", "--fast"], "unrecognized arguments: --fast"),
        (["train", "digits-rows"], "the following arguments are required: --out"),
    ],
)
def test_bad_arguments_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("out", ["nowhere/out.md", ".", "report.pdf"])
def test_a_useless_output_is_found_before_any_work(
    out: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = [str(folder / "model.h5"), str(folder / "fixed.h5")]
    assert main(["compare", *networks, *ON_TASK, "--out", str(tmp_path / out)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(folder: Path, tmp_path: Path) -> None:
    """In a process of its own, where matplotlib cannot be imported."""
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from ltc2hw.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    out = tmp_path / "report.html"
    networks = [str(folder / "model.h5"), str(folder / "fixed.h5")]
    done = subprocess.run(
        [sys.executable, "-c", script, "compare", *networks, *ON_TASK, "--out", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"needs the extra 'plot': {how_to_install('plot')}" in done.stderr
    assert not out.exists()


def test_the_module_is_the_command(folder: Path, tmp_path: Path) -> None:
    """No traceback in a process of its own either."""
    out = str(tmp_path / "trace.h5")
    command = [sys.executable, "-m", "ltc2hw", "simulate", str(folder / "short.h5"), *ON_TASK]
    done = subprocess.run([*command, "--out", out], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ltc2hw simulate: error: cannot read ")
    assert done.stderr.count("\n") == 1


def test_an_interrupt_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: Console, text: str = "") -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Console, "line", interrupted)
    assert main(["targets"]) == 130
    assert capsys.readouterr().err == "ltc2hw targets: interrupted\n"


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m ltc2hw targets loihi2 | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.startswith("loihi2: ")


def test_a_folder_in_the_way_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = str(folder / "fixed.h5")
    assert main(["export", fixed, "--to", "nir", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"ltc2hw export: error: {tmp_path}: Is a directory\n"


def test_system_errors_without_a_file_are_told_whole() -> None:
    assert describe(OSError("disk\nfull")) == "disk full"
