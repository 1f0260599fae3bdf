"""The process that drives the browser: jobs as JSON on stdin, `{"problem": …}` as the last line of stdout.

Run as `python -m genai_perf.reports.plots.render`; see `images`.
"""

import json
import sys
from typing import Any

from genai_perf.reports.plots.images import NO_CHROME


def main() -> None:
    """Make the images that stdin asks for."""
    jobs = json.load(sys.stdin)
    sys.stdout.write(json.dumps({"problem": _render(jobs)}) + "\n")


def _render(jobs: list[dict[str, Any]]) -> str | None:
    import kaleido
    from kaleido.errors import ChromeNotFoundError

    page = kaleido.PageGenerator(mathjax=False)  # its default is fetched from the network
    try:
        failed = kaleido.write_fig_from_object_sync(jobs, kopts={"n": 1, "page_generator": page})
    except ChromeNotFoundError:
        return NO_CHROME
    except Exception as exc:  # noqa: BLE001  whatever a browser may do: the process ends with its reason
        return _sentence(exc)
    return _sentence(failed[0]) if failed else None


def _sentence(exc: BaseException) -> str:
    message = exc.args[0] if exc.args else exc
    if isinstance(message, tuple):  # kaleido's own way
        message = " ".join(map(str, message))
    lines = str(message).strip().splitlines() or [""]
    return f"{type(exc).__name__}: {lines[0]}".rstrip(": ")


if __name__ == "__main__":
    main()
