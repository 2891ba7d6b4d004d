"""Errors on the command line name flags, not Python's arguments."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from ltc2hw.cli import main
from ltc2hw.cli.program import make_parser
from ltc2hw.cli.wording import FLAGS, PYTHON_ONLY, on_command_line
from ltc2hw.converters import nir
from tests.random_networks import random_network

ROOT = Path(__file__).parents[2]

# The start of an argument in a text; what is in ``{}`` of a format string stands apart.
ARGUMENT = re.compile(r"\b([a-z_]+)=(?:\.\.\.|\{'|'|True|False|x$|[0-9])")


def texts() -> list[str]:
    """All texts of the package but docstrings."""
    found = []
    for folder in ("ltc2hw", "converters", "simulations", "targets", "experiments"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            nodes = list(ast.walk(tree))
            documents = {id(n.value) for n in nodes if isinstance(n, ast.Expr)}
            found += [
                n.value
                for n in nodes
                if isinstance(n, ast.Constant)
                and isinstance(n.value, str)
                and id(n) not in documents
                and not re.search('[<\n]|class="', n.value)  # HTML, and programs as texts
            ]
    return found


def test_every_argument_in_a_message_is_known() -> None:
    named = {name for text in texts() for name in ARGUMENT.findall(text)}
    assert {"allow", "dt", "engine", "reset"} <= named
    assert named <= set(FLAGS) | PYTHON_ONLY


def test_every_flag_is_one_of_the_command_line() -> None:
    known = set(re.findall(r"--[a-z-]+", "".join(help_of(verb) for verb in VERBS)))
    assert set(FLAGS.values()) <= known


VERBS = ("import", "export", "quantize", "simulate", "learn")


def help_of(verb: str) -> str:
    (actions,) = (a for a in make_parser()._actions if a.dest == "verb")
    assert isinstance(actions.choices, dict)
    text: str = actions.choices[verb].format_help()
    return text


@pytest.mark.parametrize(
    ("python", "flags"),
    [
        ("allow={'round-delay'} rounds it", "--allow round-delay rounds it"),
        ("learn with engine='integer'", "learn with --engine integer"),
        ("pass dt=..., for instance 1e-4", "pass --dt, for instance 1e-4"),
        ("pass reset='subtract' or leave it out", "pass --reset subtract or leave it out"),
        ("say graded_input=True", "say --input graded"),
        ("hold them with FPTTRule(self_terms=False)", "hold them with FPTTRule(self_terms=False)"),
    ],
)  # fmt: skip
def test_arguments_become_flags(python: str, flags: str) -> None:
    assert on_command_line(python) == flags


def test_names_and_values_stay_what_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dt=1.nir"
    nir.write(random_network(np.random.default_rng(0), model="LIF", hidden=(3,)), path)
    out = str(tmp_path / "out.h5")
    assert main(["import", str(path), "--dt", "0.5", "--out", out]) == 2
    line = capsys.readouterr().err
    assert "dt=1.nir" in line
    assert "leave it out" in line
    assert line.count("\n") == 1
