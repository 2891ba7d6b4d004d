"""``.ts`` files: sktime's own loader reads the same numbers; what is not of the format is named."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ltc2hw.data.ts import read_ts, read_ts_file
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.tasks import load_task

SETS = ("JapaneseVowels", "BasicMotions", "UnitTest", "PLAID", "Tecator")
"""Speech of unequal lengths, movements, text, power of unequal lengths, a regression."""

THEIRS = """
import sys
import numpy as np
from sktime.datasets import load_from_tsfile
x, y = load_from_tsfile(sys.argv[1], return_data_type="nested_univ")
arrays = {
    str(i): np.stack([np.asarray(c, float) for c in row], axis=1)
    for i, row in enumerate(x.itertuples(index=False))
}
np.savez(sys.argv[2], labels=np.asarray(y).astype(str), **arrays)
"""


def data_of(name: str) -> Path:
    """Folder of a data set that comes with sktime."""
    spec = find_spec("sktime")
    if spec is None or spec.origin is None:
        pytest.skip("sktime is not installed")
    folder = Path(spec.origin).parent / "datasets" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"sktime has no {name}")
    return folder


@pytest.mark.parametrize("name", SETS)
def test_sktime_reads_the_same(name: str, tmp_path: Path) -> None:
    path = data_of(name) / f"{name}_TEST.ts"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THEIRS, str(path), str(tmp_path / "a.npz")],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip("sktime misses one of its own requirements")
    assert done.returncode == 0, done.stderr
    part = read_ts_file(path).parts["all"]
    with np.load(tmp_path / "a.npz") as theirs:
        assert part.y is not None
        if part.y.dtype.kind == "f":
            np.testing.assert_array_equal(part.y, theirs["labels"].astype(float))
        else:
            # sktime writes every name in small letters.
            np.testing.assert_array_equal(np.char.lower(part.y), theirs["labels"])
        assert len(part.x) == len(theirs.files) - 1
        for index, sample in enumerate(part.x):
            np.testing.assert_array_equal(sample, theirs[str(index)])


def test_the_test_samples_are_found_beside_the_training_samples() -> None:
    folder = data_of("JapaneseVowels")
    task = load_task(folder / "JapaneseVowels_TRAIN.ts")
    assert task.name == "JapaneseVowels"
    assert (task.steps, task.inputs, task.outputs) == (29, 12, 9)
    assert task.train.samples + task.validation.samples == 270
    assert task.test.samples == 370
    assert task.classes == tuple("123456789")
    assert task.test.lengths is not None
    assert (int(task.test.lengths.min()), int(task.test.lengths.max())) == (7, 29)
    assert load_task(folder).checksum == task.checksum
    with pytest.raises(InvalidValueError, match=r"expected .*_TRAIN.ts"):
        load_task(folder / "JapaneseVowels_TEST.ts")


HEADER = "# A comment\n@problemName Small\n@timeStamps false\n@classLabel true b a\n@data\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "small.ts"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_by_hand(tmp_path: Path) -> None:
    source = read_ts(written(tmp_path, HEADER + "1,2,3:4,5,6:a\n\n1,2:3,4:b\n"))
    part = source.parts["all"]
    assert [np.asarray(x).tolist() for x in part.x] == [[[1, 4], [2, 5], [3, 6]], [[1, 3], [2, 4]]]
    assert part.y is not None
    assert part.y.tolist() == ["a", "b"]
    assert source.classes == ("b", "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no line @data"),
        ("@problemName a\n1,2:a\n", "line 2 comes before @data"),
        (HEADER, "no samples after @data"),
        (HEADER + "1,?,3:a\n", "line 6 of .* with missing values"),
        (HEADER + "1,NaN,3:a\n", "line 6 of .* with missing values"),
        (HEADER + "1,two,3:a\n", "line 6: could not convert"),
        (HEADER + "1,2,3\n", "line 6 has no label"),
        (HEADER + "1,2,3:1,2:a\n", r"of channels of \[2, 3\] steps"),
        (HEADER.replace("@timeStamps false", "@timeStamps true"), "time stamps"),
        ("@classLabel false\n@data\n1,2\n", "a file without labels"),
        ("@targetLabel true\n@data\n1,2:much\n", "a target is no number"),
    ],
)
def test_what_is_not_of_the_format_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises((DamagedFileError, InvalidValueError), match=message):
        read_ts(written(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DamagedFileError, match="no text in UTF-8"):
        read_ts(tmp_path / "a.ts")
