"""Settings of the site; ``make docs`` builds it into build/docs, without a network."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "ltc2hw"
author = "the authors of ltc2hw"

extensions = [
    # The pages are Markdown, for the forge and for the site.
    "myst_parser",
    # The reference is the docstrings.
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    # Copies commands without their prompts.
    "sphinx_copybutton",
    # Ours: links that hold on the forge and on the site, names and sections of docstrings.
    "page_links",
    "docstrings",
]
root_doc = "index"

# Links and names that lead nowhere end the build, which runs with -W.
nitpicky = True
# Types that only type checkers import: signatures show them without a link.
UNLINKED = ("Tensor", "LavaNetwork", "pandas.DataFrame", "xarray.DataTree", "Figure")
nitpick_ignore = [("py:class", name) for name in UNLINKED]
myst_heading_anchors = 6
highlight_language = "none"

autosummary_generate = False
# Norse is not part of every lane; signatures and docstrings do not need it.
autodoc_mock_imports = [name for name in ("norse",) if find_spec(name) is None]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

html_theme = "furo"
html_title = "ltc2hw"
html_show_copyright = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
