"""`create-template`: a config file of all defaults, to be filled in. GenAI-Perf's keys, in its order.

With descriptions it has this program's further keys as well, as comments.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from genai_perf.config import keys
from genai_perf.config.keys import LEAVES, Leaf
from genai_perf.config.layout import Line, render
from genai_perf.config.options import Option

NAME = "genai_perf_config.yaml"
"""Of the file, unless another is given."""

_HEAD = "Fill in the model and what else is wanted; then: genai-perf config -f {name}"

_VALUES: Mapping[str, str] = {
    keys.BINARY: "perf_analyzer",
    "endpoint.backend": "tensorrtllm",
    "endpoint.type": "kserve",
    keys.MODE: "request_count",
    "output.checkpoint_directory": "checkpoint",
    "output.enable_checkpointing": "",
}
"""What stands for a default that is not one plain value."""

_NOTES: Mapping[str, str] = {
    "endpoint.server_metrics_urls": "By default these are looked for at the endpoint's host",
    "endpoint.url": "By default this is localhost:8000, and localhost:8001 for kserve",
    keys.NUM: "If this is empty, it follows from the mode",
    "output.enable_checkpointing": "By default this is on for a sweep, and off for a single run",
    "tokenizer.name": "By default this is the model's name",
}
"""What a short template says of a key, too."""

_DESCRIPTIONS: Mapping[str, str] = {
    keys.BINARY: "Where GenAI-Perf finds Perf Analyzer; this program needs none.",
    keys.STIMULUS: "The load, one entry: concurrency, request_rate, session_concurrency, "
    "session_request_rate, request_intervals, request_rate_schedule, concurrency_schedule, "
    "periodic_concurrency_range (in quotes); or the word fixed_schedule.",
    keys.MODE: "What ends the run: request_count, or interval for windows that are measured until they are "
    "stable.",
    keys.NUM: "How many requests, or how many ms a window lasts.",
}
"""Of keys that are not one option."""

_ANALYZE = """\
# Uncomment the lines below to vary the load or the input from run to run
# (what can be varied, and how: genai-perf analyze --help)
# concurrency:
#   start: 1
#   stop: 1024"""

_PROCESS = """\
# Uncomment the line below to merge runs into one instead of making one
# input_path: aggregated"""


def text(*, verbose: bool = False, name: str = NAME) -> str:
    """The file. `verbose` describes every key; `name` is what it will be called."""
    parts = [f"  # {_HEAD.format(name=name)}"]
    sections: dict[str, list[Line]] = {}
    for line in _lines(verbose):
        sections.setdefault(line.path.partition(".")[0], []).append(line)
    for section, lines in sections.items():
        parts.append(render(lines, indent=2, apart=verbose).rstrip("\n"))
        if section == "model_names":
            parts.append(_commented("analyze", _ANALYZE))
    parts.append(_commented("process", _PROCESS))
    return "\n\n".join(parts) + "\n"


def _commented(section: str, comment: str) -> str:
    return "\n".join([f"  {section}:", *(f"    {line}" for line in comment.splitlines())])


def _lines(verbose: bool) -> Iterator[Line]:
    has_load = False
    for path, leaf in LEAVES.items():
        if leaf.is_load:
            if not has_load:
                yield _line(Leaf(keys.STIMULUS, None), verbose)
                has_load = True
        elif not path.startswith("process.") and (verbose or not leaf.is_ours):
            yield _line(leaf, verbose)


def _line(leaf: Leaf, verbose: bool) -> Line:
    path, option = leaf.path, leaf.option
    value = "{'concurrency': 1}" if path == keys.STIMULUS else _VALUES.get(path)
    if value is None:
        value = _shown(option.default) if option is not None else ""
    note = _NOTES.get(path)
    if verbose:
        described = _DESCRIPTIONS.get(path) or (_described(option) if option is not None else "")
        return Line(path, value, above=(described,), is_off=leaf.is_ours)
    return Line(path, value, above=() if note is None else (note,))


_UNITS: Mapping[str, str] = {
    "MS": "In ms.",
    "SECONDS": "In seconds.",
    "PER_S": "Per second.",
    "KHZ…": "In kHz.",
}
"""By the name that help gives a value."""


def _described(option: Option) -> str:
    text, bracket, default = option.help.partition(" [default: ")
    choices = [choice for choice in option.choices if choice not in text]
    told = [
        text,
        *([f"One of {', '.join(option.choices)}."] if choices else []),
        _UNITS.get(option.value_name, ""),
    ]
    return " ".join(filter(None, told)) + bracket + default


def _shown(default: Any) -> str:
    """As GenAI-Perf writes it: `True`, a list joined by commas, nothing for what is not set."""
    if default is None or default == ():
        return ""
    if isinstance(default, tuple):
        return ", ".join(map(_shown, default))
    if isinstance(default, Mapping):
        return ""
    return (
        f"{default:g}"
        if isinstance(default, float) and default.is_integer() and default != 1
        else str(default)
    )
