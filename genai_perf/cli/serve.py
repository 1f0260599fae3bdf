"""`genai-perf serve`: the embedded server on the command line."""

import inspect
from typing import Any

from genai_perf.cli import parameters
from genai_perf.server.settings import OPTIONS, from_layer

_PANELS = {"server": "Server"}


def serve(**values: Any) -> int:
    """Run an OpenAI-compatible server that waits as a model would, and logs when each token really went.

    Says `READY URL` on stdout once it accepts connections, and stops at SIGTERM or Ctrl-C. Answers are words,
    exactly as many tokens as a request's limit says; sampling parameters change nothing.
    """
    settings = from_layer(parameters.layer(OPTIONS, values))
    from genai_perf.server.run import run

    run(settings)
    return 0


serve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what Typer reads the options from
    parameters.parameters(OPTIONS, _PANELS)
)
