"""Reports as one self-contained web page: what was found, samples to explore, pictures, tables.

It loads nothing and runs nothing but its own script, which its policy names by its hash; without
scripts it shows all but the part to explore.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files

from ltc2hw.comparison.drawing import Picture, in_both_schemes
from ltc2hw.comparison.drift_texts import findings
from ltc2hw.comparison.explorer import explorer_html, script
from ltc2hw.comparison.figures import WHY, pictures
from ltc2hw.comparison.markup import table_html
from ltc2hw.comparison.report import Report
from ltc2hw.comparison.tables import change_text, naming, score_text, summary, tables, title


def to_html(report: Report) -> str:
    """The whole page.

    Raises:
        MissingExtraError: without matplotlib.
    """
    return page_html(report, pictures(report))


def page_html(report: Report, drawn: Sequence[Picture]) -> str:
    """The page with pictures that are already drawn."""
    shown = escape(title(report))
    first = {title for title, *_ in WHY}
    why, others = (
        "\n".join(figure_html(picture) for picture in drawn if (picture.title in first) is early)
        for early in (True, False)
    )
    sections = "\n".join(map(table_html, tables(report)))
    body = f"""<h1>{shown}</h1>
<p>{escape(summary(report))}</p>
<div class="tiles">
{tiles_html(report)}
</div>
{findings_html(report)}<div class="pictures">
{why}
</div>
{explorer_html(report)}
<div class="pictures">
{others}
</div>
{sections}
"""
    return document(shown, body, script())


def document(shown: str, body: str, work: str = "") -> str:
    """A page of its own: its title and what it shows, both as HTML, with a script.

    >>> document("Widths", "<p>None.</p>").count("<script>")
    0
    """
    look = style()
    own = f"<script>{work}</script>\n" if work else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(look, work)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{shown}</title>
<style>{look}</style>
</head>
<body>
<main>
{body}</main>
{own}</body>
</html>
"""


def style() -> str:
    """How the page looks, in light and dark and in print."""
    return files("ltc2hw.comparison").joinpath("page.css").read_text("utf-8")


def policy(look: str, work: str) -> str:
    """What a browser may load and run: this style, this script, and pictures in the page.

    >>> policy("", "").split("; ")[:2]
    ["default-src 'none'", 'img-src data:']
    """
    rules = ("default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'")
    own = (f"style-src {hash_of(look)}", f"script-src {hash_of(work)}")
    return "; ".join((*rules, *own))


def hash_of(text: str) -> str:
    """A style or script by its SHA-256, as a policy names it.

    >>> hash_of("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    digest = base64.b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def tiles_html(report: Report) -> str:
    """The figures to see first, coloured where they are good or bad."""
    metric = report.metric
    name = naming(metric).sentence
    integers = report.scores[report.reference]
    change = integers - report.scores["float64"]
    changed = change_text(metric, change) if change else "unchanged"
    tiles = [
        (score_text(metric, report.scores["float64"]), f"{name}, float64", ""),
        (
            score_text(metric, integers),
            f"{name}, {report.reference} ({changed})",
            "",
        ),
    ]
    for engine, exact in report.exact.items():
        tiles.append(
            (
                f"{exact.mismatches:,}",
                f"mismatches of {engine} in {exact.compared:,} integers",
                "bad" if exact.mismatches else "good",
            )
        )
    saturated = sum(sum(counts.values()) for counts in report.saturations.values())
    tiles.append((f"{saturated:,}", "values saturated", "bad" if saturated else "good"))
    if report.bounds:
        met = sum(bound.met for bound in report.bounds)
        state = "good" if met == len(report.bounds) else "bad"
        tiles.append((f"{met} of {len(report.bounds)}", "stated bounds met", state))
    return "\n".join(
        f'<div class="tile"><b class="{state}">{escape(value)}</b><span>{escape(text)}</span></div>'
        for value, text, state in tiles
    )


def findings_html(report: Report) -> str:
    """Where and when the runs part, in sentences; nothing where it was not measured."""
    if report.drift is None:
        return ""
    items = "\n".join(f"<li>{escape(text)}</li>" for text in findings(report.drift))
    return f'<section class="findings"><h2>Where the runs part</h2>\n<ul>{items}</ul></section>\n'


def figure_html(picture: Picture) -> str:
    """A picture inside the page itself."""
    data = base64.b64encode(in_both_schemes(picture.svg)).decode("ascii")
    shown = f'<img alt="{escape(picture.caption)}" src="data:image/svg+xml;base64,{data}">'
    return (
        f"<figure><h2>{escape(picture.title)}</h2><p>{escape(picture.caption)}</p>"
        f'<div class="picture">{shown}</div></figure>'
    )
