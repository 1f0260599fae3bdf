"""Secrets are left out of every file, so that a run which is made from one has to be given them again."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from genai_perf.config.options import Given, Layer
from genai_perf.config.redact import BLANK
from genai_perf.exceptions import UsageError

_HEADERS, _PROXY = "endpoint.headers", "endpoint.proxy"


def given_again(recorded: Layer, stronger: Layer) -> Mapping[str, Given]:
    """The recorded layer without what was blanked in it; UsageError for what `stronger` does not say."""
    kept = dict(recorded)
    if given := recorded.get(_HEADERS):
        again = {_name(text).lower() for text in stronger[_HEADERS].texts} if _HEADERS in stronger else set()
        for name in _blank_names(given):
            if name.lower() not in again:
                raise UsageError(
                    f"{given.source}: the value of {name} was not written down",
                    hint=f"give it again: GENAI_PERF_HEADER='{name}: …' or -H '{name}: …'",
                )
        told = tuple(text for text in given.texts if _value(text) != BLANK)
        kept[_HEADERS] = replace(given, texts=told)
        if not told:
            del kept[_HEADERS]
    if (given := recorded.get(_PROXY)) and given.texts[-1] == BLANK:
        if _PROXY not in stronger:
            raise UsageError(
                f"{given.source}: the proxy's address was not written down",
                hint="give it again: GENAI_PERF_PROXY=http://… or --proxy http://…",
            )
        del kept[_PROXY]
    return kept


def _blank_names(given: Given) -> Iterator[str]:
    return (_name(text) for text in given.texts if _value(text) == BLANK)


def _name(header: str) -> str:
    return header.partition(":")[0].strip()


def _value(header: str) -> str:
    return header.partition(":")[2].strip()
