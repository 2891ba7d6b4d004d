"""What installs an optional component, as this installation's own metadata say."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

PACKAGE = "ltc2hw"

EXTRA = re.compile(r"""(?:\band\s+)?\bextra\s*==\s*["']([\w.-]+)["']""")
"""The part of a requirement's condition that names its extra."""

PYTHON = re.compile(r"""python_version\s*(<|>=)\s*["'](\d+)\.(\d+)["']""")
"""The only other condition that our requirements have."""


def how_to_install(extra: str) -> str:
    """A command that installs the packages of an extra.

    Installed from a checkout, it is the checkout's extra; otherwise the packages themselves are
    named, because no release lies on a package index.

    >>> how_to_install("torch").startswith("pip install ")
    True
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        installed = distribution(PACKAGE)
        checkout, packages = checkout_of(installed), packages_of(installed, extra)
    except PackageNotFoundError:
        checkout, packages = None, ()
    if checkout is not None:
        return f'pip install -e "{checkout}[{extra}]"'
    if not packages:
        return f'pip install -e ".[{extra}]" in the sources of {PACKAGE}'
    return "pip install " + " ".join(f'"{package}"' for package in packages)


def checkout_of(installed: Distribution) -> str | None:
    """Folder that an editable installation runs from; None for another installation."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    beside = Path(str(installed.locate_file("pyproject.toml")))
    if beside.exists():
        # Run within the checkout, where the metadata of its last build lie.
        return str(beside.resolve().parent)
    told = json.loads(installed.read_text("direct_url.json") or "{}")
    if not told.get("dir_info", {}).get("editable"):
        return None
    return url2pathname(urlsplit(told["url"]).path)


def packages_of(installed: Distribution, extra: str) -> tuple[str, ...]:
    """Requirements of an extra that hold for this Python, such as ``torch>=2.3``."""
    found = []
    for requirement in installed.requires or ():
        package, _, condition = requirement.partition(";")
        named = EXTRA.search(condition)
        if named is not None and named[1] == extra and holds(condition):
            found.append(package.strip())
    return tuple(found)


def holds(condition: str, version: tuple[int, int] = sys.version_info[:2]) -> bool:
    """Whether a requirement's condition on Python's version holds; True without one.

    >>> holds('python_version < "3.11" and extra == "lava"', (3, 12))
    False
    """
    asked = PYTHON.search(condition)
    if asked is None:
        return True
    limit = int(asked[2]), int(asked[3])
    return version < limit if asked[1] == "<" else version >= limit
