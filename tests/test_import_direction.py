"""Imports go one way: numbers, graphs, what is done with them, providers, command line."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROVIDERS = ("ltc2hw.converters", "ltc2hw.simulations", "ltc2hw.targets")
LEARNERS = ("ltc2hw.neurons", "ltc2hw.tasks", "ltc2hw.training", "ltc2hw.tuning")
FRONT = ("ltc2hw.__main__", "ltc2hw.cli")

MOST_ROOT_MODULES = 12

FOLDERS = {
    "extras": "",
    "errors": "extras",
    "lazy": "errors",
    "starting": "",
    "showing": "",
    "compilation": "",
    "numbers": "errors",
    "dynamics": "errors numbers",
    "vectors": "compilation numbers dynamics",
    "graph": "errors showing numbers dynamics",
    "registry": "errors numbers graph",
    "simulate": "errors numbers graph registry",
    "stream": "errors numbers graph registry simulate",
    "quantization": "errors numbers dynamics graph registry",
    "learning": "errors showing numbers dynamics graph registry simulate quantization",
    "files": "errors numbers dynamics graph registry learning",
    "comparison": "errors showing numbers dynamics graph registry simulate quantization files",
    "looking": "errors numbers graph registry quantization learning files comparison",
    "plot": "errors numbers dynamics graph comparison",
    "data": "errors numbers graph files",
    "tasks": "errors showing numbers graph files data",
    "neurons": "errors numbers dynamics graph compilation vectors",
    "training": "errors showing numbers dynamics graph compilation registry quantization "
    "learning files tasks neurons",
    "tuning": "errors numbers dynamics graph registry simulate quantization files comparison tasks",
    "targets": "errors graph",
    "simulations": "errors numbers dynamics graph compilation vectors quantization learning",
    "converters": "errors lazy numbers dynamics graph registry quantization learning files neurons",
    "": "starting lazy numbers graph simulate stream quantization learning files comparison "
    "converters",
    "cli": "errors starting showing compilation numbers dynamics graph registry simulate stream "
    "quantization learning files comparison looking data tasks training tuning targets simulations "
    "converters",
    "__main__": "cli",
}
"""What each folder or root module below ltc2hw imports; "" is ltc2hw itself. Earlier ones only."""

CORE = tuple(
    f"ltc2hw.{place}"
    for place in (
        *(
            "extras",
            "errors",
            "lazy",
            "starting",
            "showing",
            "compilation",
            "numbers",
            "dynamics",
            "vectors",
            "graph",
            "registry",
            "simulate",
            "stream",
        ),
        *("quantization", "learning", "files", "comparison", "looking", "plot", "data"),
    )
)

# What the modules of a layer must not reach, be it through any chain of imports.
FORBIDDEN = {
    CORE: (*LEARNERS, *PROVIDERS, *FRONT),
    LEARNERS: (*PROVIDERS, *FRONT),
    PROVIDERS: FRONT,
}

# Engines and targets are looked up by name here, in literal tables; nowhere else.
NAMES_PROVIDERS = ("ltc2hw.registry", "ltc2hw.cli")

# Optional packages and the only places that import them.
OPTIONAL = {
    "torch": (
        *LEARNERS,
        "ltc2hw.converters.cells",
        "ltc2hw.converters.netx",
        "ltc2hw.converters.norse",
        "ltc2hw.converters.norse_export",
        "ltc2hw.converters.norse_layers",
        "ltc2hw.converters.plain_modules",
        "ltc2hw.converters.slayer_blocks",
        "ltc2hw.converters.torch",
        "ltc2hw.converters.torch_cells",
        "ltc2hw.converters.torch_flow",
        "ltc2hw.converters.torch_linear",
        "ltc2hw.converters.torch_run",
        "ltc2hw.converters.torch_shapes",
        "ltc2hw.simulations.torch",
        "ltc2hw.simulations.torch_arithmetic",
    ),
    "lava": ("ltc2hw.converters.lava", "ltc2hw.converters.netx"),
    "norse": (
        "ltc2hw.converters.norse",
        "ltc2hw.converters.norse_export",
        "ltc2hw.converters.norse_layers",
    ),
    "nir": ("ltc2hw.converters.nir", "ltc2hw.converters.nir_nodes"),
    "nirtorch": (),
    "sklearn": ("ltc2hw.tasks",),
    "pandas": ("ltc2hw.graph.trace",),
    "xarray": ("ltc2hw.graph.trace",),
}


def _sources() -> dict[str, Path]:
    """Every module under its import name; the provider folders are read at the top level."""
    found = {}
    for folder in ("ltc2hw", *(name.partition(".")[2] for name in PROVIDERS)):
        for path in (ROOT / folder).rglob("*.py"):
            below = path.relative_to(ROOT)
            if below.parts[0] == "ltc2hw" and f"ltc2hw.{below.parts[1]}" in PROVIDERS:
                continue
            parts = below.with_suffix("").parts
            prefixed = parts if parts[0] == "ltc2hw" else ("ltc2hw", *parts)
            found[".".join(prefixed).removesuffix(".__init__")] = path
    return found


def _imported(tree: ast.AST) -> set[str]:
    """Full names of all imports of a module, at the top and inside functions."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def _module_of(name: str) -> str:
    """The module that a full name (``package.module.object``) lies in."""
    while name not in TREES and "." in name:
        name = name.rpartition(".")[0]
    return name


def _inside(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def _reached(start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for module in EDGES[waiting.pop()] - reached:
            reached.add(module)
            waiting.append(module)
    return reached


TREES = {
    name: ast.parse(path.read_text(encoding="utf-8"), str(path))
    for name, path in _sources().items()
}
EDGES = {
    name: {_module_of(other) for other in _imported(tree) if _inside(other, ("ltc2hw",))} - {name}
    for name, tree in TREES.items()
}


def test_the_reading_finds_every_layer() -> None:
    for packages in (*FORBIDDEN, FRONT):
        assert any(_inside(module, packages) for module in TREES), packages
    for provider in PROVIDERS:
        assert sum(_inside(module, (provider,)) for module in TREES) > 1, provider
    assert "ltc2hw.graph.neurons" in EDGES["ltc2hw.graph.network"]
    assert set(CORE) == {f"ltc2hw.{place}" for place in FOLDERS if place} - {
        *LEARNERS,
        *PROVIDERS,
        *FRONT,
    }


def _place(module: str) -> str:
    """The folder or root module that a module belongs to."""
    return module.partition(".")[2].partition(".")[0]


def test_folders_import_what_the_table_says_and_nothing_else() -> None:
    found: dict[str, set[str]] = {_place(module): set() for module in TREES}
    for module, others in EDGES.items():
        found[_place(module)] |= {_place(other) for other in others} - {_place(module)}
    assert found == {place: set(others.split()) for place, others in FOLDERS.items()}


def test_the_table_of_folders_is_in_order() -> None:
    places = list(FOLDERS)
    for index, (place, others) in enumerate(FOLDERS.items()):
        assert set(others.split()) <= set(places[:index]), place


def test_few_modules_lie_beside_the_folders() -> None:
    assert len(list((ROOT / "ltc2hw").glob("*.py"))) <= MOST_ROOT_MODULES


@pytest.mark.parametrize("layer", list(FORBIDDEN), ids=lambda layer: layer[0])
def test_no_layer_reaches_a_later_one(layer: tuple[str, ...]) -> None:
    wrong = {
        (module, reached)
        for module in TREES
        if _inside(module, layer)
        for reached in _reached(module)
        if _inside(reached, FORBIDDEN[layer])
    }
    assert wrong == set()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_providers_do_not_reach_each_other(provider: str) -> None:
    others = tuple(other for other in PROVIDERS if other != provider)
    wrong = {
        (module, reached)
        for module in TREES
        if _inside(module, (provider,))
        for reached in _reached(module)
        if _inside(reached, others)
    }
    assert wrong == set()


def test_only_the_command_line_imports_the_whole_package() -> None:
    wrong = {module for module in TREES if "ltc2hw" in EDGES[module] and not _inside(module, FRONT)}
    assert wrong == set()


def test_no_module_reaches_itself() -> None:
    assert {module for module in TREES if module in _reached(module)} == set()


def test_only_the_registry_names_providers_in_strings() -> None:
    def named(tree: ast.AST) -> set[str]:
        return {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"[a-z0-9_.]+", node.value)
            and _inside(node.value, PROVIDERS)
        }

    wrong = {
        (module, name)
        for module, tree in TREES.items()
        if not _inside(module, NAMES_PROVIDERS)
        for name in named(tree)
        if not any(_inside(module, (p,)) and _inside(name, (p,)) for p in PROVIDERS)
    }
    assert wrong == set()


@pytest.mark.parametrize("package", list(OPTIONAL))
def test_an_optional_package_is_imported_only_in_its_place(package: str) -> None:
    wrong = {
        module
        for module, tree in TREES.items()
        if any(_inside(name, (package,)) for name in _imported(tree))
        and not _inside(module, OPTIONAL[package])
    }
    assert wrong == set()


def test_importing_ltc2hw_loads_no_provider_and_nothing_optional() -> None:
    unwanted = (*PROVIDERS, *LEARNERS, *FRONT, *OPTIONAL, "matplotlib", "numba")
    script = f"import sys, ltc2hw; print(*(set({unwanted!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
