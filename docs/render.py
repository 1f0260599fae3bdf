"""Refreshes the generated parts of the documentation: `make docs`; `--check` says whether they are fresh.

A part stands between `<!-- NAME:begin … -->` and `<!-- NAME:end -->`; `BLOCKS` says what makes it. The
figures of `make bench` are not among them: they are pasted by whoever has measured them.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from genai_perf.config import passthrough
from genai_perf.config.options import ANALYZE_OPTIONS, CHECKPOINT_OPTIONS, OPTIONS, Option
from genai_perf.config.passthrough import Verdict
from genai_perf.metrics.catalog import metrics_table_markdown
from genai_perf.metrics.gpu import gpu_table_markdown

DOCS = Path(__file__).parent

SECTIONS = {
    "endpoint": "Endpoint",
    "input": "Input",
    "image": "Images",
    "audio": "Audio",
    "load": "Load",
    "tokenizer": "Tokenizer",
    "metrics": "Metrics",
    "telemetry": "Telemetry",
    "output": "Output",
    "checkpoint": "Checkpoint",
    "analyze": "`analyze` alone",
}


def options() -> str:
    """A table of the options that have flags, for each section."""
    parts = []
    for section, title in SECTIONS.items():
        known = {**OPTIONS, **CHECKPOINT_OPTIONS, **ANALYZE_OPTIONS}.values()
        rows = [option for option in known if option.section == section and option.flags]
        parts.append(f"| {title} | default | |\n|---|---|---|\n" + "\n".join(map(_option, rows)) + "\n")
    return "\n".join(parts)


def _option(option: Option) -> str:
    names = [f"`{flag}`" for flag in (*option.flags, *filter(None, [option.off]))]
    if not option.is_switch or option.may_have_value:
        names[-1] += f" `{option.value_name}`"
    text, _, default = option.help.partition(" [default: ")
    cells = (" ".join(names), default.rstrip("]") or _default(option), text)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _default(option: Option) -> str:
    if option.default is None or option.default is False or (option.is_repeatable and not option.default):
        return ""
    if option.default is True:
        return "on"
    return f"{option.default:g}" if isinstance(option.default, float) else f"{option.default}"


def passed_through() -> str:
    """What becomes of Perf Analyzer's flags after `--`."""
    warned = [rule for rule in passthrough.RULES if rule.verdict is Verdict.NO_EFFECT and rule.detail]
    return _list(
        {
            "in force": [*_passed(Verdict.SETS), *_passed(Verdict.MEANS)],
            "without effect, with a warning": [_name(rule) for rule in warned],
            "refused": _passed(Verdict.REFUSED),
        }
    )


def _passed(verdict: Verdict) -> list[str]:
    return [_name(rule) for rule in passthrough.RULES if rule.verdict is verdict]


def _name(rule: passthrough.Rule) -> str:
    return rule.flags.split()[0]


def _list(names: Mapping[str, Sequence[str]]) -> str:
    return "".join(
        f"- {what}: {', '.join(f'`{name}`' for name in sorted(set(words)))}\n"
        for what, words in names.items()
    )


BLOCKS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "metrics": ("metrics.md", metrics_table_markdown),
    "gpu-metrics": ("telemetry.md", gpu_table_markdown),
    "options": ("options.md", options),
    "pass-through": ("from-genai-perf.md", passed_through),
}
"""By name: the page that has it, and what makes it."""


def render(name: str, text: str) -> str:
    """A page with its blocks made anew; KeyError for one that it does not have."""
    for block, (page, make) in BLOCKS.items():
        if page != name:
            continue
        found = re.search(rf"<!-- {block}:begin[^\n]*-->\n(.*?)<!-- {block}:end -->", text, re.DOTALL)
        if found is None:
            raise KeyError(f"{name}: no block {block}")
        text = text[: found.start(1)] + make() + text[found.end(1) :]
    return text


def main(argv: Sequence[str]) -> int:
    """1 when `--check` is given and a page is stale."""
    stale = 0
    for name in sorted({page for page, _ in BLOCKS.values()}):
        page = DOCS / name
        text = page.read_text()
        fresh = render(name, text)
        if "--check" not in argv:
            page.write_text(fresh)
        elif text != fresh:
            sys.stderr.write(f"error: docs/{name} is stale\nhint: make docs\n")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
