"""The effective config: every value that was in force in a run, as a config file that repeats it.

What nobody gave, and what follows from other values, stands behind an empty key as a comment. So the file
loads as the very config that it was written from, and says what held.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from genai_perf.config import keys
from genai_perf.config.keys import LEAVES, MEASUREMENTS
from genai_perf.config.layout import Line, render
from genai_perf.config.schema import Config

NAME = "config.yaml"
"""Of the file in a run's directory."""

_DERIVED: Mapping[str, Callable[[Config], Any]] = {
    "endpoint.url": lambda config: ", ".join(config.urls),
    "endpoint.backend": lambda config: "tensorrtllm" if config.endpoint.type == "kserve" else None,
    keys.STIMULUS: lambda config: None if config.is_open_loop else {"concurrency": config.concurrency},
    keys.NUM: lambda config: config.request_count,
    "tokenizer.name": lambda config: config.tokenizer_name,
}
"""By key: what holds where it is empty."""


def text(config: Config, *, version: str, command: str, path: str) -> str:
    """The file. `path` is where it will be, `command` the command line that made the run, without secrets."""
    head = [
        f"# Every value that was in force in a run of genai-perf {version}, made by",
        *(f"#   {line}" for line in command.splitlines()),
        "# Once more:",
        f"#   genai-perf config -f {shlex.quote(path)}",
    ]
    head = ["".join(each if each.isprintable() else "?" for each in line) for line in head]
    return "\n".join([*head, "", render(_lines(config)).rstrip("\n"), ""])


def _lines(config: Config) -> Iterator[Line]:
    values = {
        f"{section}.{name}": value
        for section, fields in config.public().items()
        if section != "traffic"  # it stands in a file of its own, which is named here
        for name, value in fields.items()
    }
    load = {
        leaf.path.rpartition(".")[2]: values[leaf.option.key]
        for leaf in LEAVES.values()
        if leaf.is_load and leaf.option is not None and values[leaf.option.key] is not None
    }
    if not load and (config.input.trace is not None or config.input.ready_made):
        load = {"fixed_schedule": False}  # or its instants would be taken, as where no load is chosen
    mode = next((mode for mode, key in MEASUREMENTS.items() if values[key] is not None), "request_count")
    has_load = False
    for path, leaf in LEAVES.items():
        if leaf.is_load:
            if not has_load:
                yield _line(keys.STIMULUS, load or None, config)
                has_load = True
        elif path == keys.MODE:
            yield _line(path, mode, config)
        elif path == keys.NUM:
            yield _line(path, values[MEASUREMENTS[mode]], config)
        elif leaf.option is not None and leaf.option.key in values:
            yield _line(path, values[leaf.option.key], config)


def _line(path: str, value: Any, config: Config) -> Line:
    if value is not None and value != [] and value != {}:
        return Line(path, written(value))
    derived = _DERIVED[path](config) if path in _DERIVED else None
    return Line(path, "", behind="" if derived is None else written(derived))


def written(value: Any) -> str:
    """A value as YAML has it, on one line."""
    import yaml

    class OnOneLine(yaml.SafeDumper):  # type: ignore[misc]  # yaml has no types
        """Quotes a text of several lines, where PyYAML would write it on several."""

    def text(dumper: Any, value: str) -> Any:
        is_long = len(value.splitlines()) > 1 or value != value.strip()
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if is_long else None)

    OnOneLine.add_representer(str, text)
    shown: str = yaml.dump(
        value, Dumper=OnOneLine, default_flow_style=True, allow_unicode=True, width=10**9, sort_keys=False
    )
    return shown.removesuffix("...\n").rstrip("\n")
