"""Reports as one self-contained web page: tiles, pictures, tables; no script, nothing to load."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from ltc2hw.comparison.drawing import Picture
from ltc2hw.comparison.figures import pictures
from ltc2hw.comparison.markup import table_html
from ltc2hw.comparison.report import Report
from ltc2hw.comparison.tables import change_text, naming, score_text, summary, tables, title

STYLE = """
:root { --ink: #1f2933; --quiet: #616e7c; --line: #e4e8ee; --good: #18794e; --bad: #b42318; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f7f9; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 25px; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 15px; margin: 0 0 2px; }
p { margin: 0; color: var(--quiet); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin: 22px 0; }
.tile, figure, section { background: #fff; border: 1px solid var(--line); border-radius: 10px; }
.tile { padding: 14px 16px; }
.tile b { display: block; font-size: 24px; font-weight: 650; letter-spacing: -0.01em; }
.tile span { color: var(--quiet); font-size: 13px; }
.good { color: var(--good); } .bad { color: var(--bad); }
.pictures { columns: 2 440px; column-gap: 14px; }
figure { break-inside: avoid; margin: 0 0 14px; padding: 16px 18px; }
figure img { display: block; width: 100%; height: auto; margin-top: 10px; }
section { margin-bottom: 14px; padding: 16px 18px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 8px; font-size: 13.5px; }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); text-align: left; }
th { color: var(--quiet); font-weight: 500; }
td { overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
@media print { body { background: #fff; } section, .tile { break-inside: avoid; } }
"""


def to_html(report: Report) -> str:
    """The whole page.

    Raises:
        MissingExtraError: without matplotlib.
    """
    return page_html(report, pictures(report))


def page_html(report: Report, drawn: Sequence[Picture]) -> str:
    """The page with pictures that are already drawn."""
    shown = escape(title(report))
    figures = "\n".join(map(figure_html, drawn))
    sections = "\n".join(map(table_html, tables(report)))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{shown}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{shown}</h1>
<p>{escape(summary(report))}</p>
<div class="tiles">
{tiles_html(report)}
</div>
<div class="pictures">
{figures}
</div>
{sections}
</main>
</body>
</html>
"""


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


def figure_html(picture: Picture) -> str:
    """A picture inside the page itself."""
    data = base64.b64encode(picture.svg).decode("ascii")
    return (
        f"<figure><h2>{escape(picture.title)}</h2><p>{escape(picture.caption)}</p>"
        f'<img alt="{escape(picture.caption)}" src="data:image/svg+xml;base64,{data}"></figure>'
    )
