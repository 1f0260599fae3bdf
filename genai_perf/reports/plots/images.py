"""PNG and JPEG through kaleido, which drives a Chrome; where either is missing, the pages are all there is.

The browser is another program, and may be of any age, sandboxed, out of memory, hanging. So it is driven from
a process of its own, with a limit on its time, and nothing that happens there fails a run or warns in ours.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from genai_perf.reports.plots.look import Picture

INSTALL_KALEIDO = "pip install 'genai-perf[plots]'"
INSTALL_CHROME = "apt-get install chromium, or plotly_get_chrome"
LIMIT_S = 90.0
_SCALE = 2


@dataclass(frozen=True, slots=True)
class Image:
    """One image to make."""

    path: Path
    format: str
    figure: dict[str, Any]
    """As plotly's JSON has it."""
    width: int
    height: int


Render = Callable[[Sequence[Image]], str | None]
"""Makes the images; gives None, or why some were not made and what would help."""


def write(pictures: Sequence[Picture], directory: Path, render: Render | None = None) -> str | None:
    """An image of each picture in each of its formats; None, or a sentence about what is missing and why.

    Images of an earlier run are removed first, so that none stands beside pages of another.
    """
    images = [
        Image(directory / f"{picture.stem}.{kind}", kind, _on_white(picture), picture.width, picture.height)
        for picture in pictures
        for kind in picture.formats
    ]
    for image in images:
        with suppress(OSError):
            image.path.unlink(missing_ok=True)
    problem = (render or by_kaleido)(images)
    if problem is None:
        return None
    kinds = " or ".join(sorted({image.format.upper() for image in images}))
    return f"no {kinds} of the plots: {problem}; the HTML pages are complete"


def no_images(_: Sequence[Image]) -> None:
    """Makes none, and has nothing to say about it; as `Render`."""


def _on_white(picture: Picture) -> dict[str, Any]:
    """An image has a ground of its own; JPEG knows nothing else."""
    drawn: dict[str, Any] = json.loads(picture.figure.to_json())
    drawn["layout"] |= {"paper_bgcolor": "#ffffff", "plot_bgcolor": "#ffffff"}
    return drawn


def by_kaleido(images: Sequence[Image]) -> str | None:
    """Renders with kaleido; as `Render`."""
    if find_spec("kaleido") is None:
        return f"kaleido is not installed ({INSTALL_KALEIDO})"
    return by_process([sys.executable, "-m", f"{__package__}.render"], images)


def by_process(command: Sequence[str], images: Sequence[Image], *, limit_s: float = LIMIT_S) -> str | None:
    """Lets a process render, which reads the jobs and answers as `render` does; as `Render`."""
    jobs = [
        {
            "fig": image.figure,
            "path": str(image.path),
            "opts": {"format": image.format, "width": image.width, "height": image.height, "scale": _SCALE},
        }
        for image in images
    ]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # the browser goes with it
    ) as child:
        try:
            answer, _ = child.communicate(json.dumps(jobs).encode(), timeout=limit_s)
        except subprocess.TimeoutExpired:
            _end(child)
            return f"the browser took more than {limit_s:g} s"
        except BaseException:
            _end(child)
            raise
    if child.returncode != 0:
        return f"the renderer ended with {child.returncode}"
    try:
        reason: str | None = json.loads(answer.splitlines()[-1])["problem"]
    except (IndexError, ValueError, KeyError, TypeError):
        return "the renderer did not say how it ended"
    return f"no Chrome or Chromium is installed ({INSTALL_CHROME})" if reason == NO_CHROME else reason


NO_CHROME = "no Chrome"
"""What the renderer says then."""


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
