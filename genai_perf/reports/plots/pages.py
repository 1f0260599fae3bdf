"""HTML pages that open without a network: one for each picture, and an index that shows them all.

They share one `plotly.min.js` beside them (4.9 MB), which the runs of a sweep have in common where the file
system can link. A page is as dark or as light as the reader's system, and
the texts in the pictures follow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path

from genai_perf.reports.files import whole_file
from genai_perf.reports.plots.look import Picture

INDEX = "index.html"
LIBRARY = "plotly.min.js"

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 1.5rem auto; max-width: 1000px; padding: 0 1rem; background: Canvas; color: CanvasText;
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
p { margin: .3rem 0; overflow-wrap: anywhere; }
code { font-size: .9em; }
nav { margin: .8rem 0; }
nav a { margin-right: 1em; white-space: nowrap; }
section { margin: 1.2rem 0; padding: .4rem; border: 1px solid rgba(128,128,128,.35); border-radius: 6px; }
section > p { font-size: .85em; text-align: right; margin: 0 .3rem; }
.js-plotly-plot .cartesianlayer text, .js-plotly-plot .infolayer text { fill: CanvasText !important; }
"""


_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    # these and no others: one of plotly's own would send the data to its maker's cloud
    "modeBarButtons": [["toImage"], ["zoom2d", "pan2d", "resetScale2d"]],
}


@dataclass(frozen=True, slots=True)
class About:
    """What a page says beside its pictures."""

    title: str
    lines: tuple[str, ...] = ()
    """A paragraph each, plain text."""
    command: str = ""


def write(pictures: Sequence[Picture], about: About, directory: Path, library: Path | None = None) -> Path:
    """Writes the pages, the index and the library they share; gives the index. Raises ArtifactError.

    `library` is a copy elsewhere, to be linked to.
    """
    _write_library(directory / LIBRARY, library)
    drawn = {picture.stem: _drawn(picture) for picture in pictures}
    for picture in pictures:
        section = _section(picture.stem, drawn[picture.stem])
        body = f'<nav><a href="{INDEX}">all pictures</a></nav>\n{section}'
        _write_page(directory / f"{picture.stem}.html", f"{picture.title} · {about.title}", body)
    links = "\n".join(f'<a href="#{picture.stem}">{escape(picture.title)}</a>' for picture in pictures)
    head = [f"<h1>{escape(about.title)}</h1>"]
    if about.command:
        head.append(f"<p><code>{escape(about.command)}</code></p>")
    head += [f"<p>{escape(line)}</p>" for line in about.lines]
    sections = [
        _section(stem, f'{figure}\n<p><a href="{stem}.html">on a page of its own</a></p>')
        for stem, figure in drawn.items()
    ]
    index = directory / INDEX
    _write_page(index, about.title, "\n".join([*head, f"<nav>{links}</nav>", *sections]))
    return index


def _drawn(picture: Picture) -> str:
    drawn: str = picture.figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        config=_CONFIG,
        default_height=f"{picture.height}px",
        div_id=f"plot-{picture.stem}",
    )
    return drawn


def _section(stem: str, body: str) -> str:
    return f'<section id="{stem}">\n{body}\n</section>'


def _write_page(path: Path, title: str, body: str) -> None:
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
<script src="{LIBRARY}" charset="utf-8"></script>
</head>
<body>
{body}
</body>
</html>
"""
    with whole_file(path) as file:
        file.write(page.encode())


def _write_library(path: Path, other: Path | None) -> None:
    """Plotly's own script, as it lies in its package.

    A hard link to the other copy where that can be: the directory still opens when it is moved alone.
    """
    from plotly.offline import get_plotlyjs

    if other is not None:
        with suppress(OSError):
            if not path.exists() or not path.samefile(other):
                path.unlink(missing_ok=True)
                path.hardlink_to(other)
            return
    script = get_plotlyjs().encode()
    with suppress(OSError):
        if path.read_bytes() == script:
            return  # and whoever is linked to it stays so
    with whole_file(path) as file:
        file.write(script)
