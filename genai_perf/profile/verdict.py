"""What a finished run means: its exit code, or the error that says why nothing was measured."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf.config.schema import Config
from genai_perf.exceptions import GenAIPerfError, InputError, Interrupted, RunError, ServerError
from genai_perf.types import RunEnd, Summary

if TYPE_CHECKING:
    from genai_perf.reports import Result


def verdict(result: "Result", directory: Path, asked: Config | None = None) -> int:
    """The exit code. Raises ServerError or Interrupted when nothing was measured.

    Raises InputError or RunError where it was the input that ended the run, whatever was measured before.
    """
    if result.end is not None and (failure := _INPUT_FAILURES.get(result.end.stop_reason)):
        raise failure(result.end.error, hint=f"what was sent before it is in {directory}")
    if not result.summary.requests:
        raise _nothing_measured(result, directory, asked)
    return _exit_code(result.end)


_INPUT_FAILURES = {"bad_input": InputError, "no_input": RunError}


def _exit_code(end: RunEnd | None) -> int:
    if end is not None and end.stop_reason == "error_rate":
        return GenAIPerfError.exit_code
    if end is not None and end.stop_reason == "interrupted":
        return Interrupted.exit_code
    return 0


def _nothing_measured(result: "Result", directory: Path, config: Config | None) -> GenAIPerfError:
    summary: Summary = result.summary
    if result.end is not None and result.end.stop_reason == "interrupted":
        return Interrupted(f"interrupted before any request was complete; the records are in {directory}")
    if isinstance(empty := summary.metrics.get("empty_request_count"), float):
        return _all_empty(int(empty), summary, directory)
    if not summary.errors:
        return ServerError(f"no request was complete; the records are in {directory}")
    kind, (count, message) = next(iter(summary.errors.items()))
    failed = sum(count for count, _ in summary.errors.values())
    return ServerError(
        f"every request failed: {count:,} of {failed:,} with {kind}: {message}",
        hint=_advice(kind, message, result, config) or f"the records are in {directory}",
    )


def _is_about_models(message: str, config: Config) -> bool:
    """Whether it speaks of a model, or of a name; a path like /v1/models is none."""
    names = "|".join(map(re.escape, config.endpoint.model_names))
    return re.search(rf"(?<![/\w])(model|name|({names})(?!\w))", message, re.IGNORECASE) is not None


def _all_empty(empty: int, summary: Summary, directory: Path) -> ServerError:
    failed = sum(count for count, _ in summary.errors.values())
    rest = f", {failed:,} requests failed" if failed else ""
    hint = "those hold reasoning alone: a greater --osl may leave room for text"
    return ServerError(
        f"no answer held visible text: {empty:,} were empty{rest}; the records are in {directory}",
        hint=hint if summary.empty_with_reasoning else None,
    )


_ALREADY = re.compile("https:|grpcs:|unix:|embedded$")
"""URLs of servers that speak TLS, or cannot."""


def _advice(kind: str, message: str, result: "Result", config: Config | None) -> str | None:
    """What would have worked, by the kind of failure."""
    if kind in ("http_401", "http_403"):
        return "give the key with -H 'Authorization: Bearer …'"
    if kind == "http_429":
        return "the server limits the rate; a lower --concurrency or --request-rate may pass"
    is_silent = kind == "closed" and "in mid-answer" not in message
    if is_silent and config is not None and not any(map(_ALREADY.match, config.urls)):
        return "a server that speaks TLS there closes like this: would https:// be right?"
    if kind == "protocol" and config is not None and not config.is_grpc:
        return "is that a gRPC port? --endpoint-type kserve speaks to Triton's, which is not that of its HTTP"
    if "text/html" in message and kind in ("not_streamed", "decode"):
        return (
            f"a web page answers there: is /{result.endpoint_path} the right path, and --url the API's port?"
        )
    if kind == "not_streamed":
        return f"leave --streaming out if /{result.endpoint_path} cannot stream"
    if config is not None and kind in ("http_400", "http_404") and _is_about_models(message, config):
        from genai_perf.transports.models import known_models

        names = known_models(config)
        if names and not set(config.endpoint.model_names) <= set(names):
            return f"the server has these models: {', '.join(names[:10])}"
    if kind in ("http_404", "http_405", "http_501"):
        first = result.endpoint_path.partition("/")[0]
        if config is not None and any(url.rstrip("/").endswith(f"/{first}") for url in config.urls):
            return f"leave /{first} out of --url: /{result.endpoint_path} goes behind it"
        return f"is /{result.endpoint_path} the right path there? --endpoint names another"
    return None
