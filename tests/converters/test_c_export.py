"""Exported C gives every integer of ``integer``: any compiler, any level, three processors."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw import save
from ltc2hw.cli import main
from ltc2hw.converters.c import write
from ltc2hw.converters.c.arithmetic import TEXT
from ltc2hw.dynamics.operations import INTEGER, LEAVES, Operation
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork
from ltc2hw.graph.neurons import Message
from ltc2hw.numbers.words import FloatArray, Overflow, Word
from ltc2hw.quantization.quantize import quantize
from ltc2hw.simulations import integer
from tests.converters.c_machines import (
    COMPILERS,
    MACHINES,
    Emulator,
    Machine,
    compile_c,
    cross_compile,
)
from tests.converters.convolutional import convolutional
from tests.random_networks import (
    GATE_KINDS,
    random_fixed_network,
    random_network,
    random_samples,
)
from tests.views import kind, rebuilt
from tests.zoo import fixed_zoo

WARNINGS = ("-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Werror")
LEVELS = {
    "O0": ("-O0",),
    "O2": ("-O2",),
    "Os": ("-Os",),
    "undefined": ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"),
}
HOSTILE = ("int", "EOF", "größe", "linux", "INT32_C", "_x", "main")


@dataclass(frozen=True)
class Exported:
    """Networks in folders of their own, and one file ``all.c`` that runs all of their checks."""

    folder: Path
    networks: tuple[tuple[str, FixedNetwork, FloatArray], ...]

    @property
    def options(self) -> list[str]:
        return [f"-D{name.upper()}_NO_MAIN" for name, _, _ in self.networks]

    @property
    def everything(self) -> list[str]:
        macros = ("RECORD", "COUNT")
        return [f"-D{name.upper()}_{m}" for name, _, _ in self.networks for m in macros]


def renamed(network: FixedNetwork, names: Sequence[str]) -> FixedNetwork:
    new = dict(zip((p.name for p in network.populations), names, strict=False))
    return FixedNetwork(
        tuple(replace(p, name=new[p.name]) for p in network.populations),
        tuple(replace(p, source=new[p.source], target=new[p.target]) for p in network.projections),
        new[network.output],
        network.target,
    )


def worded(network: FixedNetwork, state: Word) -> FixedNetwork:
    """The network with other words; wide ones are filled."""
    extra = max(0, state.bits - 24) and state.bits - 16

    def changed(population: Any) -> Any:
        if kind(population) == "lif":
            return rebuilt(population, state=state, bias_exponent=extra)
        if kind(population) == "input":
            return population
        messages = tuple(
            Message(m.variable, replace(m.word, overflow=state.overflow), m.shift)
            for m in population.messages
        )
        bias = population.constants["bias_current"] << extra
        return rebuilt(population, state=state, messages=messages, bias_current=bias)

    return replace(network, populations=tuple(map(changed, network.populations)))


def late_input(network: FixedNetwork) -> FixedNetwork:
    """Samples that arrive at once here and later there, and long delays."""
    delays = iter(range(20))
    return replace(
        network,
        projections=tuple(
            replace(p, delay=p.delay + 2 * next(delays)) for p in network.projections
        ),
    )


def networks() -> Iterator[tuple[FixedNetwork, FloatArray]]:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        network = random_fixed_network(rng, largest=10)
        yield network, random_samples(rng, network, 16, 2)
    yield fixed_zoo()
    for gates in GATE_KINDS:
        rng = np.random.default_rng(5)
        real = random_network(rng, gate=gates, hidden=(8, 5), graded=gates == "dense")
        fixed = quantize(real, "loihi2", random_samples(rng, real, 16, 2))
        yield fixed, random_samples(rng, fixed, 16, 2)
    rng = np.random.default_rng(12)
    base = random_fixed_network(rng, largest=10, models=("LTC",), gates=("dense",))
    lif = random_fixed_network(rng, largest=10, models=("LIF",))
    for network in (
        worded(lif, Word(30)),
        worded(lif, Word(44)),
        worded(base, Word(24, overflow=Overflow.WRAP)),
        worded(base, Word(40)),
        worded(base, Word(44, overflow=Overflow.WRAP)),
        late_input(base),
        renamed(base, HOSTILE),
    ):
        yield network, random_samples(rng, network, 16, 2)
    yield from convolutional(10)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("c")
    made = []
    lines, calls = [], []
    for index, (network, x) in enumerate(networks()):
        name = f"n{index}x"
        assert write(network, folder / name, prefix=name, samples=x) == ()
        made.append((name, network, x))
        lines += [f'#include "{name}/main.c"', f'#include "{name}/{name}.c"']
        calls.append(f"    wrong += {name}_check();")
    head = "#ifndef BARE\n#define check_all main\n#endif\nint check_all(void);"
    body = ["int check_all(void)", "{", "    int wrong = 0;", *calls, "    return wrong;", "}", ""]
    (folder / "all.c").write_text("\n".join([*lines, head, *body]), encoding="ascii")
    return Exported(folder, tuple(made))


def answers(exported: Exported, name: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [str(exported.folder / name)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("level", list(LEVELS))
@pytest.mark.parametrize("compiler", list(COMPILERS))
def test_every_recorded_integer_and_count_is_that_of_integer(
    exported: Exported, compiler: str, level: str
) -> None:
    out = f"{compiler}-{level}"
    flags = (*WARNINGS, *LEVELS[level], *exported.options, *exported.everything)
    compile_c(COMPILERS[compiler], exported.folder, *flags, "all.c", "-o", out)
    wrong, lines = answers(exported, out)
    assert [line for line in lines if not line.endswith(" equal")] == []
    assert wrong == 0
    variables = [
        variable
        for _, network, _ in exported.networks
        for population in network.populations
        if not isinstance(population, FixedInput)
        for variable in population.recordable
    ]
    assert len([line for line in lines if ".misfits." not in line]) == len(variables)
    assert len([line for line in lines if ".misfits." in line]) > 20


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
def test_without_options_the_state_holds_what_a_step_needs(exported: Exported) -> None:
    compiler = next(iter(COMPILERS))
    flags = (*WARNINGS, "-O1", *exported.options)
    compile_c(COMPILERS[compiler], exported.folder, *flags, "all.c", "-o", "plain")
    wrong, lines = answers(exported, "plain")
    assert wrong == 0
    recorded = {line.split()[0].rpartition(".")[2] for line in lines}
    assert {"membrane", "current", "spikes"} <= recorded
    assert not {"tau_mem", "threshold"} & recorded


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
def test_a_changed_weight_is_seen(tmp_path: Path) -> None:
    network, x = next(networks())
    write(network, tmp_path / "net", samples=x)
    source = tmp_path / "net" / "net.c"
    text = source.read_text()
    changed = re.sub(
        r"(weights\[\d+\] = \{\n +)(-?\d+)", lambda m: m[1] + f"{-1 - int(m[2])}", text
    )
    assert changed != text
    for content, expected in ((text, 0), (changed, 1)):
        source.write_text(content)
        compile_c(
            next(iter(COMPILERS.values())), tmp_path / "net",
            "-DNET_RECORD", "main.c", "net.c", "-o", "check",
        )  # fmt: skip
        done = subprocess.run(
            [str(tmp_path / "net" / "check")], capture_output=True, text=True, check=False
        )
        assert done.returncode == expected
        assert ("DIFFERS" in done.stdout) == bool(expected)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_microcontrollers_give_the_same_integers(exported: Exported, machine: Machine) -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    quiet = [f"-D{name.upper()}_QUIET" for name, _, _ in exported.networks]
    flags = (*exported.options, *exported.everything, *quiet, "-DBARE")
    image = cross_compile(machine, exported.folder, ["all.c"], "-Os", "-Wl,-e,check_all", *flags)
    emulator = Emulator(machine, image)
    assert emulator.call("check_all") == 0
    # The checks can fail: what is expected lies in flash.
    name = exported.networks[0][0]
    emulator.write(f"{name}_samples", bytes(len(emulator.read(f"{name}_samples"))))
    assert emulator.call("check_all") > 0


def test_instructions_follow_activity_and_the_stack_is_small() -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    from benchmarks.c_export import measure
    from benchmarks.networks import Workload, recurrent_lif

    work = recurrent_lif(16, 6, 1, rate=0.9, inputs=16)
    busy = measure(MACHINES[1], work, "-Os")
    silent = measure(MACHINES[1], Workload(work.network, 0 * work.x), "-Os")
    assert sum(silent.instructions) < sum(busy.instructions)
    assert len(set(silent.instructions)) == 1
    assert (silent.flash, silent.ram) == (busy.flash, busy.ram)
    weights = sum(p.weights.values.size for p in work.network.projections)
    assert weights < busy.flash < weights + 4000
    # Current, membrane and sum in 32 bits, spikes in one byte.
    assert busy.ram == 16 * (4 + 4 + 1 + 4)
    assert busy.stack < 256


@pytest.mark.skipif("gcc" not in COMPILERS, reason="no gcc")
def test_samples_outside_their_word_are_refused_and_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    network = random_fixed_network(rng, largest=6)
    x = random_samples(rng, network, 12, 1)
    write(network, tmp_path / "net", samples=x)
    flags = ("-shared", "-fPIC", "net.c", "-o", "net.so")
    compile_c(COMPILERS["gcc"], tmp_path / "net", *flags)
    library = ctypes.CDLL(str(tmp_path / "net" / "net.so"))
    state = ctypes.create_string_buffer(1 << 16)
    library.net_reset(state)
    given = network.input
    encoded = given.word.encode(x[:, 0], given.fraction)[0].astype(np.int32)
    for values in encoded:
        assert library.net_step(state, ctypes.c_void_p(values.ctypes.data)) == 0
    before = state.raw
    for wrong in (given.word.maximum + 1, given.word.minimum - 1):
        values = encoded[0].copy()
        values[-1] = wrong
        assert library.net_step(state, ctypes.c_void_p(values.ctypes.data)) == 1
        assert state.raw == before
    library.net_reset(state)
    assert state.raw != before
    for values in encoded:
        library.net_step(state, ctypes.c_void_p(values.ctypes.data))
    assert state.raw == before


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
def test_the_example_of_the_page_compiles(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "c-export.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```c\n(.*?)```", page, flags=re.DOTALL)
    network, x = next(networks())
    write(network, tmp_path / "net", samples=x)
    (tmp_path / "net" / "example.c").write_text(example, encoding="ascii")
    flags = ("-pedantic", "-Wall", "-Wextra", "-Werror", "-c", "example.c")
    compile_c(next(iter(COMPILERS.values())), tmp_path / "net", *flags)


def test_nothing_is_included_but_stdint(exported: Exported) -> None:
    for name, _, _ in exported.networks:
        texts = [(exported.folder / name / f"{name}.{end}").read_text() for end in "hc"]
        included = re.findall(r"#include (\S+)", "".join(texts))
        assert included == ["<stdint.h>", f'"{name}.h"']


def test_the_table_covers_every_operation() -> None:
    assert set(TEXT) == set(INTEGER) - set(LEAVES) - {Operation.NUMBER}


@pytest.mark.parametrize("prefix", ["", "1net", "a-b", "größe", "int", "main", "x" * 32])
def test_prefixes_that_are_no_names_are_refused(tmp_path: Path, prefix: str) -> None:
    network, _ = next(networks())
    with pytest.raises(InvalidValueError, match="prefix"):
        write(network, tmp_path / "net", prefix=prefix)
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments_are_refused_by_name(tmp_path: Path) -> None:
    network, x = next(networks())
    real = random_network(np.random.default_rng(0))
    with pytest.raises(InvalidValueError, match="network to write as C"):
        write(real, tmp_path / "net")  # type: ignore[arg-type]
    with pytest.raises(ShapeError):
        write(network, tmp_path / "net", samples=x[:, :, :-1])
    with pytest.raises(UnknownNameError, match="change to allow"):
        write(network, tmp_path / "net", allow={"rescale"})
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "mine.c").touch()
    with pytest.raises(InvalidValueError, match="a new or empty folder"):
        write(network, tmp_path / "net")


def test_the_command_line_writes_the_same_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, _ = next(networks())
    save(network, tmp_path / "fixed.h5")
    write(network, tmp_path / "expected", prefix="digits")
    arguments = ["export", str(tmp_path / "fixed.h5"), "--to", "c", "--prefix", "digits"]
    assert main([*arguments, "--out", str(tmp_path / "net"), "--quiet"]) == 0
    for path in (tmp_path / "expected").iterdir():
        assert (tmp_path / "net" / path.name).read_bytes() == path.read_bytes()
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == [
        "digits.c", "digits.h", "main.c",
    ]  # fmt: skip
    arguments[3] = "nir"
    assert main([*arguments, "--out", str(tmp_path / "net.nir")]) == 2
    assert "none but with --to c" in capsys.readouterr().err


def test_recorded_words_of_more_than_32_bits_are_among_the_networks() -> None:
    wide = [
        int(np.abs(values).max())
        for network, x in networks()
        for values in integer.simulate(network, x, "all").recorded().values()
    ]
    assert max(wide) > 1 << 32
