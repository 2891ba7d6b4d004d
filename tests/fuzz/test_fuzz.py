"""A short run of the fuzzer over every format; ``python -m tests.fuzz`` is the long one."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

if any(find_spec(name) is None for name in ("torch", "nir")):
    pytest.skip("files of some formats are made by torch and nir", allow_module_level=True)

from tests.fuzz import worker
from tests.fuzz.formats import FORMATS, DifferentBitsError, Format, use_network
from tests.fuzz.hunt import Worker, hunt
from tests.random_networks import random_fixed_network


def test_damaged_files_are_refused_by_name_or_read_rightly(tmp_path: Path) -> None:
    tally = hunt(20 * len(FORMATS), seed=1, folder=tmp_path)
    assert tally.findings == []
    assert all(tally.outcomes[name, "refused"] for name in FORMATS)


def test_an_untyped_error_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(path: Path) -> None:
        raise KeyError("the entry that was removed")

    name = "state dict (.npz)"
    form = Format("zip", FORMATS[name].make, careless, ".npz")
    monkeypatch.setattr(worker, "FORMATS", {name: form})
    found = worker.answer(tmp_path, {"format": name, "seed": 0})
    assert found["outcome"] == "finding"
    assert found["error"].startswith("KeyError")


@pytest.mark.parametrize(
    ("command", "error"), [("sleep 600", "hang"), ("kill -SEGV $$", "ended with status -11")]
)
def test_hangs_and_deaths_are_findings(tmp_path: Path, command: str, error: str) -> None:
    watched = Worker(tmp_path)
    watched.process = subprocess.Popen(
        ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    seconds = 0.1 if error == "hang" else 60.0
    assert watched.reply(seconds)["error"] == error
    assert watched.process is None


def test_engines_that_differ_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_fixed_network(np.random.default_rng(0), largest=3)
    use_network(network)
    import ltc2hw

    simulate = ltc2hw.simulate

    def one_off(*args: object, **options: object) -> object:
        trace = simulate(*args, **options)  # type: ignore[arg-type]
        if options["engine"] == "fast":
            trace.outputs[0, 0, 0] += 1
        return trace

    monkeypatch.setattr(ltc2hw, "simulate", one_off)
    with pytest.raises(DifferentBitsError):
        use_network(network)
