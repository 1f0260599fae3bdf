"""`genai-perf create-template`: a config file to fill in."""

import inspect
from pathlib import Path
from typing import Any

from genai_perf.cli import parameters
from genai_perf.config.options import TEMPLATE_OPTIONS, parse
from genai_perf.exceptions import ArtifactError, UsageError

_FILE, _VERBOSE = (TEMPLATE_OPTIONS[f"template.{name}"] for name in ("file", "verbose"))


def create_template(**values: Any) -> int:
    """Write a config file of all defaults, for `genai-perf config -f FILE`."""
    given = parameters.layer(TEMPLATE_OPTIONS.values(), values)
    path: Path = parse(_FILE, given[_FILE.key]) if _FILE.key in given else _FILE.default
    from genai_perf.config import template

    text = template.text(verbose=_VERBOSE.key in given, name=str(path))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as exc:
        raise UsageError(f"File '{path}' already exists. Please specify a different filename.") from exc
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}") from exc
    return 0


create_template.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # Typer reads the options
    parameters.parameters(TEMPLATE_OPTIONS.values(), {"template": "Template"})
)
