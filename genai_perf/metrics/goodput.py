"""Checks on `--goodput`, made before anything is sent."""

from collections.abc import Mapping
from difflib import get_close_matches

from genai_perf.exceptions import UsageError
from genai_perf.metrics.catalog import CATALOG, Needs

_NOT_OF_A_REQUEST = {
    "run": "one figure of the whole run, not one of each request",
    "event": "of each gap, of which a request has many; its mean is inter_token_latency",
}
_NEITHER = "neither better nor worse when it is greater"


def check_goodput(
    slos: Mapping[str, float],
    *,
    streaming: bool,
    produces_tokens: bool,
    open_loop: bool,
    per_image: bool = False,
) -> None:
    """UsageError unless every SLO names a metric that this run will have, with a bound that can be met."""
    known = [tag for tag, metric in CATALOG.items() if metric.slo]
    for tag, limit in slos.items():
        if tag in CATALOG and tag not in known:
            raise UsageError(
                f"--goodput: {tag} is {_NOT_OF_A_REQUEST.get(CATALOG[tag].per, _NEITHER)}",
                hint=f"metrics with a goodput: {', '.join(known)}",
            )
        if tag not in known:
            near = get_close_matches(tag, known, n=1)
            raise UsageError(
                f"--goodput: no metric named {tag!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
                hint=f"metrics with a goodput: {', '.join(known)}",
            )
        if not limit >= 0:
            raise UsageError(f"--goodput: {tag}:{limit:g} is not at least 0")
        needs = CATALOG[tag].needs
        if Needs.TOKENS in needs and not produces_tokens:
            raise UsageError(
                f"--goodput: {tag} has no meaning for an endpoint that answers without tokens",
                hint="request_latency has one for every endpoint",
            )
        if Needs.IMAGES in needs and not per_image:
            raise UsageError(
                f"--goodput: {tag} has no meaning where requests are more than images",
                hint="it is for --endpoint-type image_retrieval",
            )
        if Needs.STREAMING in needs and not streaming:
            raise UsageError(f"--goodput: {tag} cannot be measured without streaming", hint="add --streaming")
        if Needs.PLAN in needs and not open_loop:
            raise UsageError(
                f"--goodput: {tag} counts from when a request was due, and in a closed loop nothing is due",
                hint="add --request-rate, or use the metric without `_from_due`",
            )
