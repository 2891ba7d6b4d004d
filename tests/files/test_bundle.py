"""Files: exact round trips, and a clear refusal of everything else."""

from __future__ import annotations

import json
import os
import typing
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters.checkpoint import load_arrays
from ltc2hw.converters.populations import LIF
from ltc2hw.errors import DamagedFileError, InvalidValueError, TooLargeError
from ltc2hw.files import bundle, hdf5
from ltc2hw.files.bundle import load, load_any, load_trace, save, save_trace
from ltc2hw.files.hdf5 import digest, read_tree, write_tree
from ltc2hw.files.schema import FIELDS, encode
from ltc2hw.graph import fixed, network, trace
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.notes import Notes
from ltc2hw.numbers import operators, words
from ltc2hw.numbers.weights import Sparse
from ltc2hw.numbers.words import Overflow, Rounding, Word
from tests.random_networks import (
    GATE_KINDS,
    GateKind,
    random_fixed_network,
    random_network,
    random_samples,
)


@pytest.fixture
def small() -> Network:
    return random_network(np.random.default_rng(3), hidden=(4,), inputs=2)


@pytest.fixture
def saved(small: Network, tmp_path: Path) -> Path:
    path = tmp_path / "net.h5"
    save(small, path)
    return path


@given(st.integers(0, 2**32), st.sampled_from(GATE_KINDS), st.booleans())
@settings(max_examples=15)
def test_float_networks_come_back_equal(
    tmp_path_factory: pytest.TempPathFactory, seed: int, gate: GateKind, graded: bool
) -> None:
    path = tmp_path_factory.mktemp("float") / "net.h5"
    original = random_network(np.random.default_rng(seed), gate=gate, graded=graded)
    save(original, path)
    assert load(path) == original


@given(st.integers(0, 2**32))
@settings(max_examples=25)
def test_integer_networks_come_back_equal(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    path = tmp_path_factory.mktemp("fixed") / "net.h5"
    original = random_fixed_network(np.random.default_rng(seed))
    save(original, path)
    copy = load(path)
    assert copy == original
    assert isinstance(copy, FixedNetwork)
    x = random_samples(np.random.default_rng(seed), original, 3, 2)
    first, second = (ltc2hw.simulate(n, x, engine="integer") for n in (original, copy))
    assert np.array_equal(first.outputs, second.outputs)


def test_words_and_provenance_come_back_exactly(small: Network, tmp_path: Path) -> None:
    text = {
        "task": "digits-rows",
        "empty": "",
        "µ": "line\nbreak \\ 'quote' \"",
        "long": "x" * 10**5,
    }
    path = tmp_path / "net.h5"
    save(replace(small, provenance=text), path)
    copy = load(path)
    assert list(copy.provenance.items()) == list(text.items())
    odd = Word(7, False, Rounding.FLOOR, Overflow.WRAP)
    chip = replace(
        random_fixed_network(np.random.default_rng(0)).input, graded=True, word=odd, fraction=2
    )
    write_tree(path, encode(chip))
    assert read_tree(path) == encode(chip)


def test_every_bit_of_a_float_survives(small: Network, tmp_path: Path) -> None:
    extremes = np.array([-0.0, 5e-324, 1.7976931348623157e308, 1 / 3])
    ltc = small.populations[1]
    assert isinstance(ltc, Neurons)
    ltc = ltc.with_constants({"bias_current": extremes})
    path = tmp_path / "net.h5"
    save(replace(small, populations=(small.populations[0], ltc, small.populations[2])), path)
    copy = load(path).population("hidden0")
    assert isinstance(copy, Neurons)
    assert copy.constants["bias_current"].tobytes() == extremes.tobytes()


@pytest.mark.parametrize("kind", ["float", "fixed"])
def test_traces_come_back_equal(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    net = random_network(rng) if kind == "float" else random_fixed_network(rng)
    original = ltc2hw.simulate(
        net, random_samples(rng, net, 4, 3), "float64" if kind == "float" else "integer", "all"
    )
    save_trace(original, tmp_path / "trace.h5")
    copy = load_trace(tmp_path / "trace.h5")
    assert copy.recorded().keys() == original.recorded().keys()
    for key, values in original.recorded().items():
        assert copy.recorded()[key].dtype == values.dtype
        assert np.array_equal(copy.recorded()[key], values)
    assert np.array_equal(copy.outputs, original.outputs)
    assert copy.saturations == original.saturations
    for name, registers in original.state.items():
        assert all(np.array_equal(copy.state[name][k], v) for k, v in registers.items())


def a_trace(labels: Any = None, lengths: Any = None) -> trace.Trace:
    rng = np.random.default_rng(6)
    net = random_fixed_network(rng)
    result = ltc2hw.simulate(net, random_samples(rng, net, 4, 3), "integer", "all")
    return result.labelled(labels, "tôy", lengths)


@pytest.mark.parametrize(
    "labels",
    [
        None,
        np.array([2, 0, 1]),
        np.array([[0, -1, 1]] * 4),
        np.array([[0.5], [1.5], [-2.0]]),
        np.full((4, 3, 2), np.nan),
    ],
    ids=["none", "classes", "classes-at-steps", "targets", "targets-at-steps"],
)
@pytest.mark.parametrize("lengths", [None, np.array([4, 1, 2])], ids=["even", "uneven"])
def test_notes_of_traces_come_back_equal(labels: Any, lengths: Any, tmp_path: Path) -> None:
    original = a_trace(labels, lengths)
    save_trace(original, tmp_path / "trace.h5")
    copy = load_trace(tmp_path / "trace.h5")
    notes, told = copy.notes, original.notes
    for name in ("engine", "output", "fractions", "task", "axes"):
        assert getattr(notes, name) == getattr(told, name), name
    for name in ("labels", "lengths"):
        found, wanted = getattr(notes, name), getattr(told, name)
        assert (found is None) == (wanted is None)
        assert wanted is None or found.tobytes() == wanted.tobytes()
    assert load_any(tmp_path / "trace.h5") == original


def test_membranes_read_in_real_units_from_the_file_alone(tmp_path: Path) -> None:
    original = a_trace([0, 1, 2])
    save_trace(original, tmp_path / "trace.h5")
    with h5py.File(tmp_path / "trace.h5") as file:
        content = file["content"]
        assert content["notes"].attrs["axes"].decode() == "time, sample, neuron"
        assert content["notes"].attrs["task"].decode() == "tôy"
        assert content["notes/labels"][:].tolist() == [0, 1, 2]
        seen = 0
        for name in content["states"]:
            for variable in content["states"][name]:
                fraction = content["notes/fractions"][name].attrs[variable]
                real = content["states"][name][variable][:] / 2.0**fraction
                assert np.array_equal(real, original.real(name, variable))
                seen += 1
        assert seen > 2


def test_traces_of_schema_2_open_and_tell_their_integers() -> None:
    """Written before traces had notes: LIF neurons on loihi2, one sample of spikes, one without."""
    old = load_trace(Path(__file__).parent / "data" / "trace_schema_2.h5")
    assert old.spikes["out"][:, :, 0].tolist() == [[1, 0]] * 4
    assert old.states["out"]["membrane"].dtype == np.int32
    assert old.notes == Notes()
    with pytest.raises(InvalidValueError, match=r"fraction of out\.membrane is unknown"):
        old.real("out", "membrane")


def test_networks_stay_readable_for_versions_that_read_schema_2(saved: Path) -> None:
    assert read_tree(saved)["schema_version"] == 2


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("engine",), 3, "engine is not kept as text"),
        (("axes",), "neuron", "axes of a trace is 'neuron'"),
        (("fractions", "input"), {"value": 1 << 40}, "fraction of input"),
        (("labels",), np.array([0, 1]), "labels of a trace"),
        (("lengths",), np.array([9, 1, 1]), "length of a sample is 9"),
        (("more",), 1, "entries of Notes are missing or unknown: more"),
    ],
)
def test_altered_notes_are_refused(
    place: tuple[str, ...], value: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "trace.h5"
    save_trace(a_trace([0, 1, 2], np.array([4, 1, 2])), path)
    rewritten(path, set_entry("content", "notes", *place, value=value))
    with pytest.raises(DamagedFileError, match=message):
        load_trace(path)


def test_the_table_names_every_field_of_every_class() -> None:
    for known, kinds in FIELDS.items():
        assert {field.name for field in fields(cast(Any, known))} == set(kinds), known
    unions = (network.FloatPopulation, fixed.FixedPopulation, operators.Weights)
    listed = {part for union in unions for part in typing.get_args(union)}
    assert listed | {Network, FixedNetwork, words.Word, trace.Trace} <= set(FIELDS)


def test_saving_the_same_network_twice_gives_the_same_content(small: Network) -> None:
    shuffled = replace(small, provenance=dict(small.provenance))
    assert digest(encode(small)) == digest(encode(shuffled))
    other = replace(small, provenance={"origin": "another"})
    assert digest(encode(small)) != digest(encode(other))


def test_every_truncation_is_refused(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    cut = tmp_path / "cut.h5"
    for length in range(0, len(content), 97):
        cut.write_bytes(content[:length])
        with pytest.raises(DamagedFileError):
            load(cut)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=100)
def test_flipped_bytes_are_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Bytes that HDF5 does not use may change; the network may not."""
    rng = np.random.default_rng(seed)
    original = random_network(np.random.default_rng(1), hidden=(3,), inputs=2)
    path = tmp_path_factory.mktemp("flip") / "net.h5"
    save(original, path)
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, len(content), rng.integers(1, 4)):
        content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)
    try:
        copy = load(path)
    except DamagedFileError:
        return
    assert copy == original


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n" + b"\0" * 600])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.h5"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"foreign\.h5"):
        load(path)


def test_missing_files_and_folders_say_so(small: Network, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        load(tmp_path / "none.h5")
    with pytest.raises(FileNotFoundError, match=r"folder.net\.h5"):
        save(small, tmp_path / "folder" / "net.h5")
    with pytest.raises(InvalidValueError, match="network to save is list"):
        save([], tmp_path / "net.h5")  # type: ignore[arg-type]


def test_a_trace_is_no_network(small: Network, tmp_path: Path) -> None:
    result = ltc2hw.simulate(small, np.zeros((2, 1, 2)))
    save_trace(result, tmp_path / "trace.h5")
    with pytest.raises(DamagedFileError, match="holds 'Trace' where Network or FixedNetwork"):
        load(tmp_path / "trace.h5")


def test_a_changed_weight_is_found(saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        file["content/projections/0/weights/matrix"][0, 0] += 0.5
    with pytest.raises(DamagedFileError, match="does not match its checksum"):
        load(saved)


def external_link(file: h5py.File) -> None:
    file["content/populations/9"] = h5py.ExternalLink("other.h5", "/content")


def soft_link(file: h5py.File) -> None:
    file["content/populations/9"] = h5py.SoftLink("/content")


def cycle(file: h5py.File) -> None:
    file["content/populations/again"] = file["content"]


def huge_array(file: h5py.File) -> None:
    file.create_dataset("content/huge", shape=(10**13,), dtype="<f8")


def compressed_array(file: h5py.File) -> None:
    file.create_dataset("content/huge", shape=(10**10,), dtype="<f8", chunks=(1024,), compression=9)


def external_storage(file: h5py.File) -> None:
    raw = Path(file.filename).with_name("raw.bin")
    raw.write_bytes(bytes(80))
    file.create_dataset("content/outside", shape=(10,), dtype="<f8", external=[(str(raw), 0, 80)])


def virtual_array(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="<f8")
    layout[:] = h5py.VirtualSource("other.h5", "data", shape=(4,))
    file.create_virtual_dataset("content/virtual", layout)


def texts_without_size(file: h5py.File) -> None:
    file.create_dataset("content/texts", data=["a", "b"])


def text_attribute_without_size(file: h5py.File) -> None:
    file["content"].attrs["note"] = "a text of variable size"


def array_attribute(file: h5py.File) -> None:
    file["content"].attrs["many"] = np.arange(1000)


def reference_attribute(file: h5py.File) -> None:
    file["content"].attrs["pointer"] = file["content"].ref


def record_array(file: h5py.File) -> None:
    file.create_dataset("content/records", data=np.zeros(3, dtype=[("a", "<i4"), ("b", "<f8")]))


def scalar_array(file: h5py.File) -> None:
    file.create_dataset("content/scalar", data=np.float64(1.0))


def named_type(file: h5py.File) -> None:
    file["content/kind"] = np.dtype("<f8")


def deep_groups(file: h5py.File) -> None:
    file.create_group("/".join(["deep"] * 30))


HOSTILE: tuple[Callable[[h5py.File], None], ...] = (
    external_link,
    soft_link,
    cycle,
    huge_array,
    compressed_array,
    external_storage,
    virtual_array,
    texts_without_size,
    text_attribute_without_size,
    array_attribute,
    reference_attribute,
    record_array,
    scalar_array,
    named_type,
    deep_groups,
)


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_hostile_structures_are_refused_before_reading(
    saved: Path, change: Callable[[h5py.File], None]
) -> None:
    with h5py.File(saved, "r+") as file:
        change(file)
    with pytest.raises(DamagedFileError) as caught:
        load(saved)
    assert "checksum" not in str(caught.value)


def test_names_that_are_no_text_are_refused(saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        file["content"].create_group(b"\xff")
    with pytest.raises(DamagedFileError, match=r"the name b'.xff' is no text"):
        load(saved)


def test_entries_are_counted_before_they_are_read(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading 200,000 names to find that they are too many took 20 seconds."""
    with h5py.File(saved, "r+") as file:
        for number in range(300):
            file["content"][f"x{number}"] = h5py.SoftLink("/content")
    monkeypatch.setattr(hdf5, "MAXIMUM_ENTRIES", 300)
    with pytest.raises(DamagedFileError, match="more than 300 entries, at /content"):
        load(saved)


def test_what_could_not_be_loaded_is_not_saved(
    small: Network, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = 0
    with h5py.File(saved) as file:
        names = ["/"]
        file.visit(names.append)
        entries = len(names) - 1 + sum(len(file[name].attrs) for name in names)
    monkeypatch.setattr(bundle, "MAXIMUM_ENTRIES", entries)
    save(small, tmp_path / "again.h5")
    assert load(tmp_path / "again.h5") == small
    monkeypatch.setattr(bundle, "MAXIMUM_ENTRIES", entries - 1)
    with pytest.raises(TooLargeError, match=f"Network to save is {entries} entries"):
        save(small, tmp_path / "once_more.h5")
    assert not (tmp_path / "once_more.h5").exists()


def test_rows_longer_than_the_file_are_refused(tmp_path: Path) -> None:
    """Differences of these rows overflow to positive numbers, which ended in a segmentation fault.

    The checksum is right here.
    """
    far = (1 << 62) + 5
    weights = Sparse(np.array([0, 1, 1, 2]), np.array([0, 1]), np.array([0.5, 1.0]), 2)
    link = Projection("input", "spikes", "out", "current", weights)
    path = tmp_path / "net.h5"
    lif = LIF("out", 3, *(np.full(3, value) for value in (0.5, 0.1, 1.0, 0.0)))
    save(Network((Input("input", 2), lif), (link,), "out"), path)
    place = ("content", "projections", "0", "weights", "indptr")
    rewritten(path, set_entry(*place, value=np.array([0, far, -far, 2])))
    with pytest.raises(
        DamagedFileError, match=r"indptr is .-\d+, \d+.; expected rising from 0 to 2"
    ):
        load(path)


Edit = Callable[[dict[str, Any]], None]


def rewritten(path: Path, edit: Edit) -> None:
    """Change a file's content as someone would who knows how to renew the checksum."""

    def mutable(tree: Any) -> Any:
        return {k: mutable(v) for k, v in tree.items()} if isinstance(tree, dict) else tree

    tree = mutable(read_tree(path))
    edit(tree)
    write_tree(path, tree)


def set_entry(*keys: str, value: object) -> Edit:
    def edit(tree: dict[str, Any]) -> None:
        place: Any = tree
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return edit


POPULATION = ("content", "populations", "1")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_entry("schema_version", value=99), "schema version 99"),
        (set_entry("schema_version", value=0), "which is not read"),
        (set_entry("schema_version", value="2"), "not written by ltc2hw"),
        (set_entry("format", value="another"), "not written by ltc2hw"),
        (set_entry("extra", value=1), "not written by ltc2hw"),
        (set_entry("content", value=1), "holds something else"),
        (set_entry("content", "type", value="object"), "holds 'object' where Network"),
        (set_entry("content", "type", value="a\nb"), r"holds 'a\nb' where Network"),
        (
            set_entry(*POPULATION, "type", value="FixedNeurons"),
            "holds 'FixedNeurons' where Input or Neurons",
        ),
        (set_entry(*POPULATION, "size", value=5), "expected ()"),
        (set_entry(*POPULATION, "size", value=10**12), "1000000000000 numbers; expected at most"),
        (set_entry("content", "populations", "0", "size", value=10**12), "expected at most"),
        (set_entry(*POPULATION, "size", value=True), "Neurons.size is not kept as integer"),
        (
            set_entry(*POPULATION, "constants", "threshold", value=np.full(4, np.nan)),
            "finite number",
        ),
        (
            set_entry(*POPULATION, "constants", "threshold", value=np.zeros(4, np.int64)),
            "float64 array",
        ),
        (set_entry(*POPULATION, "surplus", value=1), "missing or unknown: surplus"),
        (set_entry("content", "output", value="nobody"), "output population is 'nobody'"),
        (set_entry("content", "populations", value=3), "populations is no group"),
        (set_entry("content", "populations", value={"1": 2}), "not numbered from 0"),
        (set_entry("content", "provenance", value="[" * 10**5), "no JSON"),
        (set_entry("content", "provenance", value=f'{{"a": {"1" * 5000}}}'), "no JSON"),
        (set_entry("content", "provenance", value='{"a": 1}'), "not texts by name"),
        (set_entry("content", "provenance", value="[1]"), "not texts by name"),
    ],
)
def test_senseless_content_with_a_right_checksum_is_refused(
    saved: Path, edit: Edit, message: str
) -> None:
    rewritten(saved, edit)
    with pytest.raises(DamagedFileError) as caught:
        load(saved)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_rounding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fixed.h5"
    save(random_fixed_network(np.random.default_rng(2)), path)
    rewritten(path, set_entry("content", "populations", "0", "word", "rounding", value="up"))
    with pytest.raises(DamagedFileError, match="none of toward-zero"):
        load(path)


def damaged_model(edit: Callable[[dict[str, Any]], None]) -> Edit:
    """Change the stored model of a population, or with ``chip`` its formats, as JSON."""

    def change(tree: dict[str, Any]) -> None:
        place = tree["content"]["populations"]["1"]
        model = json.loads(place["model"])
        edit(model)
        place["model"] = json.dumps(model)

    return change


def damaged_program(edit: Callable[[list[Any]], None]) -> Edit:
    """Change the rows of the stored model's program."""

    def change(model: dict[str, Any]) -> None:
        program = json.loads(model["program"])
        edit(program)
        model["program"] = json.dumps(program)

    return damaged_model(change)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_entry(*POPULATION, "model", value="{"), "model is"),
        (set_entry(*POPULATION, "model", value="[" * 10**5), "model is"),
        (set_entry(*POPULATION, "model", value="{}"), "expected name, program"),
        (damaged_model(lambda model: model.update(output="nothing")), "output of model ltc"),
        (damaged_model(lambda model: model.update(words="any")), "words of model ltc"),
        (damaged_model(lambda model: model.update(constants=[])), "constants"),
        (damaged_model(lambda model: model["constants"].append([1])), "1 fields"),
        (damaged_program(lambda program: program[1].append(["add", [0, 999], "", []])), "earlier"),
        (damaged_program(lambda program: program[1].append(["exec", [], "", []])), "exec"),
        (damaged_program(lambda program: program[1].extend(program[1] * 99)), "1 to 1024 values"),
        (
            damaged_program(lambda program: program.__setitem__(0, "c")),
            "one of real, integer, rounded",
        ),
        (damaged_program(lambda program: program[2].update(more=10**30)), "result more"),
    ],
)
def test_a_model_in_a_file_is_judged_before_it_is_used(
    saved: Path, edit: Edit, message: str
) -> None:
    rewritten(saved, edit)
    with pytest.raises(DamagedFileError) as caught:
        load(saved)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["a\0b", "\ud800", np.array(["text"], dtype=object), np.zeros(2, np.complex128)]
)
def test_a_failed_save_leaves_the_old_file_alone(saved: Path, value: Any) -> None:
    before = saved.read_bytes()
    with pytest.raises(InvalidValueError, match="item"):
        write_tree(saved, {"first": 1, "item": value})
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["net.h5"]


def test_names_that_files_cannot_hold_are_refused(tmp_path: Path) -> None:
    for name in ("", "a/b", "."):
        with pytest.raises(InvalidValueError, match="name in a file"):
            write_tree(tmp_path / "net.h5", {name: 1})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    # Opening a pipe into which nobody writes would wait for ever.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for read in (load, load_trace):
        with pytest.raises(InvalidValueError, match="expected a regular file"):
            read(pipe)
    with pytest.raises(DamagedFileError, match="no regular file"):
        load_arrays(pipe)


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1])
def test_integers_beyond_64_bits_are_named(tmp_path: Path, value: int) -> None:
    with pytest.raises(InvalidValueError, match=r"integer size is -?\d+; expected one of 64 bits"):
        write_tree(tmp_path / "tree.h5", {"size": value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("entry", ["format", "schema_version"])
@pytest.mark.parametrize("value", [np.zeros(0), np.zeros(2), np.ones(1, np.int64)])
def test_arrays_in_the_place_of_words_are_refused(
    saved: Path, entry: str, value: npt.NDArray[Any]
) -> None:
    # Comparing an array with a word gives an array, which is neither true nor false.
    write_tree(saved, {**read_tree(saved), entry: value})
    with pytest.raises(DamagedFileError, match="not written by ltc2hw"):
        load(saved)
