"""Texts from files and users, made safe for the place where they are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

_MARKUP = re.compile(r"[\\`*\[\]<&|~$]|(?<![^\W_])_|_(?![^\W_])|^[#>]")
"""What Markdown reads as more than a character; between letters, an underscore is one."""

_ENTITIES = {"<": "&lt;", "&": "&amp;"}


def printable(text: str) -> str:
    r"""One line without control characters: whatever does not print is written as its escape.

    So a name cannot start a new line, colour a terminal, or turn the direction of writing.

    >>> printable("two\nlines \x1b[31m μ")
    'two\\nlines \\x1b[31m μ'
    """
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def encodable(text: str, encoding: str | None) -> str:
    r"""The text with whatever an encoding lacks written as its escape; None lacks nothing.

    >>> encodable("σ(x)", "ascii")
    '\\u03c3(x)'
    """
    if encoding is None:
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)


def in_markdown(text: str) -> str:
    r"""A text that Markdown shows as it is: no markup, no HTML, one line.

    >>> in_markdown("<script> [a](b) tau_mem | _x_")
    '&lt;script> \\[a\\](b) tau_mem \\| \\_x\\_'
    """
    shown = printable(" ".join(text.split()))
    return _MARKUP.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), shown)


def with_parts(page: str, parts: Mapping[str, str]) -> str:
    r"""A page with the text between ``<!-- name -->`` and ``<!-- end of name -->`` renewed.

    >>> print(with_parts("a\n<!-- x -->\nold\n<!-- end of x -->\nb", {"x": "new\n"}))
    a
    <!-- x -->
    new
    <!-- end of x -->
    b
    """
    for name, part in parts.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        page = before + start + part + end + rest.partition(end)[2]
    return page
