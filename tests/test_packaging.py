"""What pyproject.toml lists is what the folders hold, in every way of packing them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import ltc2hw
from ltc2hw.extras import checkout_of, how_to_install, packages_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROVIDERS = ("converters", "simulations", "targets")
NOT_SOURCES = shutil.ignore_patterns(
    ".*", "__pycache__", "build", "dist", "*.egg-info", "shared", "runs"
)


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _package_files() -> set[str]:
    """Every file of the package, under the path that it has when installed."""
    found = set()
    for folder in ("ltc2hw", *PROVIDERS):
        for path in (ROOT / folder).rglob("*"):
            below = path.relative_to(ROOT)
            linked = below.parts[0] == "ltc2hw" and below.parts[1] in PROVIDERS
            if linked or not path.is_file() or "__pycache__" in below.parts:
                continue
            found.add(below.as_posix() if folder == "ltc2hw" else f"ltc2hw/{below.as_posix()}")
    return found


def _packed_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not re.match(r"[^/]*\.dist-info/", name)}


def _build(kind: str, source: Path, out: Path) -> Path:
    """Run the build backend in a Python of its own, as pip does."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; from setuptools.build_meta import build_{kind} as build; "
            "print(build(sys.argv[1]))",
            str(out),
        ],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree to build in, with its links."""
    copy = tmp_path_factory.mktemp("checkout") / "ltc2hw"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=NOT_SOURCES)
    return copy


def test_the_package_list_matches_the_folders() -> None:
    listed = _project()["tool"]["setuptools"]["packages"]
    folders = {
        name.rpartition("/")[0].replace("/", ".")
        for name in _package_files()
        if name.endswith(".py")
    }
    assert listed == sorted(folders)


def test_every_package_has_an_init_file() -> None:
    files = _package_files()
    folders = {name.rpartition("/")[0] for name in files if name.endswith(".py")}
    assert {folder for folder in folders if f"{folder}/__init__.py" not in files} == set()


def test_the_mapped_folders_are_linked_below_the_package() -> None:
    mapped = _project()["tool"]["setuptools"]["package-dir"]
    assert mapped == {f"ltc2hw.{name}": name for name in PROVIDERS}
    for name in PROVIDERS:
        link = ROOT / "ltc2hw" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..", name)


def test_the_wheel_holds_every_file_of_the_package(checkout: Path, tmp_path: Path) -> None:
    wheel = _build("wheel", checkout, tmp_path)
    assert _packed_files(wheel) == _package_files()


def test_the_source_distribution_gives_the_same_wheel(checkout: Path, tmp_path: Path) -> None:
    archive = _build("sdist", checkout, tmp_path)
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    wheel = _build("wheel", source, tmp_path)
    assert _packed_files(wheel) == _package_files()


def test_only_our_name_lands_in_site_packages(checkout: Path, tmp_path: Path) -> None:
    wheel = _build("wheel", checkout, tmp_path)
    assert {name.partition("/")[0] for name in _packed_files(wheel)} == {"ltc2hw"}


def test_the_source_distribution_holds_tests_and_documentation(
    checkout: Path, tmp_path: Path
) -> None:
    with tarfile.open(_build("sdist", checkout, tmp_path)) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    for folder in ("tests", "docs", "benchmarks", "experiments", "scripts", "constraints"):
        held = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and "_build" not in path.parts
        }
        assert held - names == set()
    assert {"README.md", "CHANGELOG.md", "LICENSE", "Makefile", "conftest.py"} <= names


FROM_WHEEL = """
import numpy, pathlib, sys
import ltc2hw
from ltc2hw.errors import MissingExtraError
assert pathlib.Path(ltc2hw.__file__).is_relative_to(sys.argv[1]), ltc2hw.__file__
print(ltc2hw.__version__, ltc2hw.targets.load_target("loihi2").name)
print(ltc2hw.tasks.load_task("add-20").steps)
for name in sys.argv[2:]:
    sys.modules[name] = None
try:
    ltc2hw.training.train
except MissingExtraError as error:
    print(error)
try:
    ltc2hw.converters.norse
except MissingExtraError as error:
    print(error)
"""


def test_the_wheel_installs_and_runs_without_the_tree(checkout: Path, tmp_path: Path) -> None:
    """Offline, beside nothing but the core's dependencies; what is missing is named itself."""
    wheel = _build("wheel", checkout, tmp_path)
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(place), str(wheel)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(
        [sys.executable, "-c", FROM_WHEEL, str(place), "torch", "norse"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    extras = _project()["project"]["optional-dependencies"]
    named = {extra: " ".join(f'"{package}"' for package in extras[extra]) for extra in extras}
    assert done.stdout.splitlines() == [
        f"{ltc2hw.__version__} loihi2",
        "20",
        f"ltc2hw.training needs the extra 'torch': pip install {named['torch']}",
        f"ltc2hw.converters.norse needs the extra 'norse': pip install {named['norse']}",
    ]
    told = subprocess.run(
        [sys.executable, "-m", "ltc2hw", "--version"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == f"ltc2hw {ltc2hw.__version__}\n"


class Installed(Distribution):
    """Metadata as a file on disk would hold them."""

    def __init__(self, folder: Path = Path("/nowhere"), **files: str) -> None:
        self.folder, self.files_told = folder, files

    def read_text(self, filename: str) -> str | None:
        return self.files_told.get(filename.partition(".")[0])

    def locate_file(self, path: Any) -> Any:
        return self.folder / path


def test_what_installs_an_extra_follows_from_how_this_one_was_installed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert checkout_of(Installed(tmp_path)) == str(tmp_path.resolve())
    editable = '{"url": "file:///a%20folder/ltc2hw", "dir_info": {"editable": true}}'
    assert checkout_of(Installed(direct_url=editable)) == "/a folder/ltc2hw"
    copied = '{"url": "file:///a/ltc2hw", "dir_info": {}}'
    packed = '{"url": "file:///a/ltc2hw.whl", "archive_info": {}}'
    assert checkout_of(Installed(direct_url=copied)) is None
    assert checkout_of(Installed(direct_url=packed)) is None
    assert checkout_of(Installed()) is None


def test_every_extra_has_packages_for_this_python() -> None:
    from packaging.requirements import Requirement

    extras = _project()["project"]["optional-dependencies"]
    lines = [
        f"Requires-Dist: {package.partition(';')[0].strip()}; "
        + "".join(f"{part.strip()} and " for part in package.split(";")[1:])
        + f'extra == "{extra}"'
        for extra, packages in extras.items()
        for package in packages
    ]
    installed = Installed(METADATA="\n".join(["Metadata-Version: 2.4", "Name: ltc2hw", *lines]))
    for extra, packages in extras.items():
        wanted = [Requirement(package) for package in packages]
        here = [str(r).partition(";")[0] for r in wanted if r.marker is None or r.marker.evaluate()]
        found = [str(Requirement(package)) for package in packages_of(installed, extra)]
        assert found == here
        assert how_to_install(extra).startswith("pip install ")


def test_parts_are_found_by_their_name_alone() -> None:
    """In a process that has imported nothing else; ``dir`` lists them."""
    needs = {"neurons": "torch", "training": "torch", "plot": "matplotlib"}
    parts = [name for name in ltc2hw.PARTS if find_spec(needs.get(name, "numpy")) is not None]
    script = (
        "import sys, ltc2hw\n"
        "for name in sys.argv[1:]:\n"
        "    assert name in dir(ltc2hw), name\n"
        "    assert getattr(ltc2hw, name).__name__ == f'ltc2hw.{name}'\n"
        "for name in ('c', 'nir', 'sfptt'):\n"
        "    assert name in dir(ltc2hw.converters), name\n"
        "    assert getattr(ltc2hw.converters, name).__name__ == f'ltc2hw.converters.{name}'\n"
        "assert not hasattr(ltc2hw, 'nothing')\n"
    )
    subprocess.run([sys.executable, "-c", script, *parts], check=True)
    assert set(ltc2hw.__all__) <= set(dir(ltc2hw))
