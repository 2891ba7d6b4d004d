"""What pyproject.toml lists is what the folders hold, in every way of packing them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

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
