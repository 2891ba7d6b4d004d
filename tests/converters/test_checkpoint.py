"""What torch.save wrote, beside torch; hostile and damaged files are refused, and nothing runs."""

from __future__ import annotations

import collections
import contextlib
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw.converters import sfptt
from ltc2hw.converters.checkpoint import load_arrays
from ltc2hw.errors import DamagedFileError, InvalidValueError, Ltc2hwError, TooLargeError
from tests.converters.cells.of_sfptt import BASE
from tests.mutation import mutants

torch = pytest.importorskip("torch")

from tests.converters.torchscript import Program  # noqa: E402

# torch has since turned against TorchScript and quantized tensors, which files go on holding.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated")

BOTH = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])


def save(content: Any, path: Path, zipped: bool = True, **options: Any) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped, **options)
    return path


def tensors() -> dict[str, Any]:
    """Tensors of many types and layouts."""
    torch.manual_seed(0)
    w = torch.randn(5, 6)
    parameter = torch.nn.Parameter(w.clone())
    parameter.note = "an attribute"
    return {
        "half": w.half(),
        "double": w.double(),
        "bool": w > 0,
        "integers": (100 * w).to(torch.int16),
        "bytes": (10 * w).abs().to(torch.uint8),
        "complex": w.to(torch.complex64),
        "transposed": w.t(),
        "strided": w[1:4, ::2],
        "expanded": w[0].expand(7, 6),
        "empty": torch.zeros(3, 0),
        "scalar": torch.tensor(4),
        "leaf": w.clone().requires_grad_(),
        "parameter": torch.nn.Parameter(w),
        "with attributes": parameter,
        "untyped": w,
    }


@BOTH
@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors_are_read_as_torch_reads_them(zipped: bool, protocol: int, tmp_path: Path) -> None:
    given = tensors()
    path = save({"state_dict": given}, tmp_path / "a.pth", zipped, pickle_protocol=protocol)
    found = load_arrays(path)
    assert list(found) == list(given)
    for name, value in given.items():
        wanted = value.detach().numpy()
        np.testing.assert_array_equal(found[name], wanted)
        assert found[name].dtype == wanted.dtype


@BOTH
def test_half_precision_is_exact(zipped: bool, tmp_path: Path) -> None:
    values = torch.randn(100).bfloat16()
    found = load_arrays(save({"w": values}, tmp_path / "a.pth", zipped))["w"]
    np.testing.assert_array_equal(found, values.float().numpy())


@BOTH
def test_parameters_by_name_are_read(zipped: bool, tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    for content in (
        module.state_dict(),
        dict(module.named_parameters()),
        collections.OrderedDict(module.named_parameters()),
    ):
        found = load_arrays(save(content, tmp_path / "a.pth", zipped))
        assert set(found) == set(content)
        for name, value in content.items():
            np.testing.assert_array_equal(found[name], value.detach().numpy())


@BOTH
def test_other_things_beside_a_state_dict_are_left_alone(zipped: bool, tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 4)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.zeros(1, 3)).sum().backward()
    optimizer.step()
    content = {
        "state_dict": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "best": np.float64(0.97),
        "rng": np.random.default_rng(0),
        "places": {1, 2},
        "path": Path("somewhere"),
    }
    found = load_arrays(save(content, tmp_path / "a.pth.tar", zipped))
    np.testing.assert_array_equal(found["weight"], module.weight.detach().numpy())


def test_torch_is_not_needed(tmp_path: Path) -> None:
    path = save({"w": torch.ones(3)}, tmp_path / "a.pth")
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from ltc2hw.converters.checkpoint import load_arrays\n"
        f"print(load_arrays({str(path)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "array([1., 1., 1.]" in done.stdout


def sparse() -> Any:
    return {"w": torch.eye(3).to_sparse()}


def quantized() -> Any:
    return {"w": torch.quantize_per_tensor(torch.ones(3), 0.5, 0, torch.qint8)}


def negative_view() -> Any:
    return {"w": torch.tensor([1 + 2j]).conj().imag}


OTHERS: dict[str, Callable[[], Any]] = {
    "entry acc is no dense tensor, but what only numpy.*scalar could make": lambda: {
        "w": torch.ones(3),
        "acc": np.float32(0.5),
    },
    "entry w is no dense tensor, but what only numpy.*_reconstruct": lambda: {"w": np.ones(3)},
    "entry w is no dense tensor, but what only torch.*sparse": sparse,
    "but what only torch.conj or torch.neg": negative_view,
    "but what only torch.*meta": lambda: {"w": torch.ones(3, device="meta")},
    "no tensors by name, but what only torch.nn.*Linear could make.*state_dict": lambda: (
        torch.nn.Linear(2, 3)
    ),
    "no tensors by name, but a list": lambda: [torch.ones(3)],
    "no tensors by name, but a tensor": lambda: torch.ones(3),
    "entry 3 has no name": lambda: {3: torch.ones(3)},
    "entry w is no dense tensor, but a dict": lambda: {"w": {"w": torch.ones(3)}},
    "numbers of type float8_e5m2": lambda: {"w": torch.ones(3).to(torch.float8_e5m2)},
}


@BOTH
@pytest.mark.parametrize("problem", list(OTHERS))
def test_other_content_is_named(problem: str, zipped: bool, tmp_path: Path) -> None:
    path = save(OTHERS[problem](), tmp_path / "a.pth", zipped)
    with pytest.raises(DamagedFileError, match=problem):
        load_arrays(path)


@BOTH
def test_quantized_tensors_are_refused(zipped: bool, tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError):
        load_arrays(save(quantized(), tmp_path / "a.pth", zipped))


@BOTH
def test_views_larger_than_what_is_stored_are_refused(zipped: bool, tmp_path: Path) -> None:
    path = save({"w": torch.zeros(1).expand(100_000, 100_000)}, tmp_path / "a.pth", zipped)
    assert path.stat().st_size < 2000
    with pytest.raises(TooLargeError, match="is 10000000000 numbers; expected at most 16777216"):
        load_arrays(path)


def test_compressed_members_are_bounded(tmp_path: Path) -> None:
    whole = save({"w": torch.zeros(30_000_000, dtype=torch.uint8)}, tmp_path / "a.pth")
    small = tmp_path / "b.pth"
    with (
        zipfile.ZipFile(whole) as given,
        zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in given.namelist():
            archive.writestr(name, given.read(name))
    assert small.stat().st_size < 50_000
    assert load_arrays(whole)["w"].size == 30_000_000
    with pytest.raises(TooLargeError, match="is 30000000 numbers"):
        load_arrays(small)


# Programs


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_programs_of_torchscript_archives_do_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "a.pth", tmp_path / "executed"
    torch.jit.save(torch.jit.script(Program(str(mark))), str(path))
    assert not mark.exists()
    torch.jit.load(str(path))
    assert mark.exists()
    mark.unlink()
    with pytest.raises(DamagedFileError, match="TorchScript archive, which holds a program"):
        load_arrays(path)
    assert not mark.exists()


def test_whatever_torch_takes_for_a_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    for member in ("archive/constants.pkl", "archive/code/__torch__.py", "other/constants.pkl"):
        save({"w": torch.ones(3)}, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(member, b"\x80\x02).")
        with pytest.raises(DamagedFileError, match="TorchScript"):
            load_arrays(path)


@BOTH
def test_nothing_of_a_file_is_called(zipped: bool, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    for content in (
        Hostile(mark),
        {"w": Hostile(mark)},
        {"state_dict": {"w": torch.ones(3)}, "more": Hostile(mark)},
        {"state_dict": Hostile(mark)},
    ):
        path = save(content, tmp_path / "a.pth", zipped)
        with contextlib.suppress(DamagedFileError):
            load_arrays(path)
        assert not mark.exists()


def with_pickle(data: bytes, path: Path) -> Path:
    """A file of torch's with another pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
    return path


SENSELESS = {
    "nothing": b"",
    "no object": b".",
    "a list": b"].",
    "no end": b"]",
    "taken from nothing": b"0.",
    "an empty tuple": b"(t.",
    "a tuple of nothing": b"\x85.",
    "no mark": b"t.",
    "a call of nothing": b"R.",
    "attributes of nothing": b"}b.",
    "entries of a number": b"K\x01K\x01K\x02s.",
    "a key without a value": b"}(K\x01u.",
    "entries of a list": b"]K\x01K\x02s.",
    "place 2^31 of the memo": b"r\xff\xff\xff\x7f.",
    "a text of 2^63 bytes": b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "2^63 bytes": b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "a frame of 2^63 bytes": b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "a command": b"cposix\nsystem\n(X\x04\x00\x00\x00truetR.",
    "no storage": b"Q.",
    "an extension": b"\x82\x01.",
    "too many operations": b"]" * 1_100_000 + b".",
    "deep nesting": b"(" * 100_000 + b"t" * 100_000 + b".",
    "a key whose hash takes for ever": b"})" + b"q\x00h\x00\x86" * 100 + b"K\x01s.",
    "a huge number": pickle.dumps({"w": 1 << 100_000}, 2),
}


@pytest.mark.parametrize("name", list(SENSELESS))
def test_pickles_that_make_no_sense_are_refused(name: str, tmp_path: Path) -> None:
    path = with_pickle(SENSELESS[name], tmp_path / "a.pth")
    with pytest.raises(DamagedFileError):
        load_arrays(path)


def layout(
    shape: tuple[Any, ...], strides: tuple[Any, ...], offset: Any = 0, count: Any = 4
) -> bytes:
    """A file's pickle of one tensor with any layout, made from a proper one."""
    image = BytesIO()
    torch.save({"w": torch.zeros(2, 2)}, image)
    with zipfile.ZipFile(image) as archive:
        data = archive.read(next(n for n in archive.namelist() if n.endswith("data.pkl")))

    def numbers(values: tuple[Any, ...]) -> bytes:
        return b"(" + b"".join(pickle.dumps(v, 2)[2:-1] for v in values) + b"t"

    old = b"QK\x00K\x02K\x02\x86"
    start = data.index(old)
    end = data.index(b"\x89", start)
    head = data[:start].replace(b"K\x04", pickle.dumps(count, 2)[2:-1], 1)
    made = b"Q" + pickle.dumps(offset, 2)[2:-1] + numbers(shape) + numbers(strides)
    return head + made + data[end:]


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "count"),
    [
        ((2, 3), (2, 1), 0, 4),
        ((2, 2), (2, 1), 1, 4),
        ((2, 2), (3, 1), 0, 4),
        ((2, 2), (-2, 1), 2, 4),
        ((-1, 2), (2, 1), 0, 4),
        ((2, 2), (2,), 0, 4),
        ((2, 2), (2, 1), -1, 4),
        ((2.0, 2), (2, 1), 0, 4),
        ((True, 2), (2, 1), 0, 4),
        ((1 << 62, 4), (1, 1), 0, 4),
        ((1,) * 40, (1,) * 40, 0, 4),
        ((2, 2), (2, 1), 1 << 40, 4),
        ((2, 2), (2, 1), 0, 5),
        ((2, 2), (2, 1), 0, 1 << 40),
        ((2, 2), (2, 1), 0, None),
        ((None,), (1,), 0, 4),
    ],
)
def test_layouts_lie_within_their_storage(
    shape: Any, strides: Any, offset: Any, count: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", layout((2, 2), (2, 1)))
        archive.writestr("archive/data/0", bytes(16))
    assert load_arrays(path)["w"].shape == (2, 2)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", layout(shape, strides, offset, count))
        archive.writestr("archive/data/0", bytes(16))
    with pytest.raises(DamagedFileError):
        load_arrays(path)


def test_the_order_of_bytes_is_the_files(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", layout((2, 2), (2, 1)))
        archive.writestr("archive/byteorder", b"big")
        archive.writestr("archive/data/0", np.arange(4, dtype=">f4").tobytes())
    np.testing.assert_array_equal(load_arrays(path)["w"], [[0, 1], [2, 3]])


# State dicts


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"lin.weight": np.ones((2, 3)) * 1j}, "entry lin.weight is complex128"),
        ({"lin.weight": np.full((2, 3), "0.5")}, "entry lin.weight is <U3; expected numbers"),
        ({"lin.weight": [[1.0], [2.0, 3.0]]}, "expected numbers"),
        ({"lin.weight": np.full((2, 3), None)}, "expected numbers"),
        ({"module.lin.weight": np.ones((2, 3))}, "a second lin.weight"),
        ({"lin.weight": torch.eye(3).to_sparse()}, "is sparse_coo"),
        ({"lin.weight": torch.ones(2, 3, device="meta")}, "on the meta device"),
        ({"lin.weight": torch.ones(2, 3) / 0}, "NaN or infinite"),
        ({"bn1a.running_mean": np.zeros(3), "bn1a.running_var": -np.ones(3)}, "variance of bn1a"),
        ({3: np.zeros(3)}, "expected arrays by name"),
    ],
)
def test_entries_are_numbers(change: dict[Any, Any], problem: str) -> None:
    with pytest.raises(InvalidValueError, match=problem):
        sfptt.from_state_dict({**BASE, **change})


def test_tensors_are_numbers_too() -> None:
    network = sfptt.from_state_dict({**BASE, "lin.weight": np.full((2, 3), 0.5)})
    value = torch.full((2, 3), 0.5)
    for given in (
        value,
        value.requires_grad_(),
        value.half(),
        value.bfloat16(),
        value.to(int) + 0.5,
    ):
        assert sfptt.from_state_dict({**BASE, "lin.weight": given}) == network


@pytest.mark.parametrize(
    "options",
    [
        {"second_recurrence": "layer3"},
        {"threshold": float("nan")},
        {"threshold": "0.1"},
        {"adaptation_strength": float("inf")},
        {"input_size": 2.0},
        {"input_size": float("nan")},
        {"batch_norm_step": 0.5, "allow": {"batch-norm-step"}},
    ],
)
def test_options_have_a_meaning(options: dict[str, Any]) -> None:
    norm = {
        f"bn1a.running_{kind}_{t}": np.full(3, t + 1.0) for kind in ("mean", "var") for t in (0, 1)
    }
    with pytest.raises(InvalidValueError, match=rf"{next(iter(options))} is"):
        sfptt.from_state_dict({**BASE, **norm}, **options)


def test_what_overflows_is_refused_without_a_warning() -> None:
    weight = np.full((3, 6), 1e308)
    with pytest.raises(InvalidValueError, match="expected a finite number"):
        sfptt.from_state_dict({**BASE, "layer1_tauM.weight": weight, "act1.alpha": np.array(1e9)})


def test_a_module_is_no_state_dict() -> None:
    with pytest.raises(InvalidValueError, match=r"state is Linear.*module\.state_dict\(\)"):
        sfptt.from_state_dict(torch.nn.Linear(2, 3))


@pytest.mark.parametrize("suffix", ["npz", "pth", "pth, before torch 1.6"])
def test_mutated_checkpoints_are_read_or_refused(suffix: str, tmp_path: Path) -> None:
    path, image, rng = tmp_path / f"a.{suffix[:3]}", BytesIO(), np.random.default_rng(2)
    if suffix == "npz":
        np.savez(image, **BASE)
    else:
        given = {name: torch.as_tensor(value) for name, value in BASE.items()}
        torch.save(given, image, _use_new_zipfile_serialization=suffix == "pth")
    refused = 0
    for content in mutants(image.getvalue(), rng, 300):
        path.write_bytes(content)
        try:
            sfptt.read(path)
        except Ltc2hwError:
            refused += 1
    assert refused > 150
