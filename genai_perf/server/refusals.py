"""Why a request is not answered, in the words that servers use: a Refusal, or None where nothing is amiss."""

from collections.abc import Collection

from genai_perf.server.openai import Refusal
from genai_perf.server.protocol import HttpRequest


def unknown_path(request: HttpRequest, known: Collection[str]) -> Refusal:
    """Nothing is served there."""
    message = f"Unknown request URL: {request.method} {request.path}. There are: {', '.join(known)}"
    return Refusal(404, message, code="unknown_url")


def wrong_method(request: HttpRequest, allowed: str) -> Refusal:
    """Something is, but not so."""
    message = f"Not allowed to {request.method} on {request.path}; allowed: {allowed}"
    return Refusal(405, message, code="method_not_supported", headers=(("allow", allowed),))


def coded(request: HttpRequest) -> Refusal | None:
    """The body is compressed."""
    coding = request.headers.get("content-encoding", "identity")
    if coding == "identity":
        return None
    return Refusal(415, f"The request's content-encoding is {coding}; only plain bodies are read.")


def without_key(request: HttpRequest, key: str | None) -> Refusal | None:
    """A key is wanted, and not the one that came; None where none is wanted."""
    given = request.headers.get("authorization")
    if key is None or given == f"Bearer {key}":
        return None
    message = (
        "You didn't provide an API key: send `Authorization: Bearer KEY`."
        if given is None
        else "Incorrect API key provided."
    )
    headers = (("www-authenticate", "Bearer"),)
    return Refusal(401, message, code="invalid_api_key", headers=headers)


def unknown_model(name: str, known: Collection[str]) -> Refusal | None:
    """The model is not among those known; where none are, any name will do."""
    if not known or name in known:
        return None
    message = f"The model `{name}` does not exist. Known models: {', '.join(known)}"
    return Refusal(404, message, param="model", code="model_not_found")


def too_long(input_tokens: int, output_tokens: int, limit: int) -> Refusal | None:
    """Prompt and answer together are longer than the model's context."""
    if input_tokens + output_tokens <= limit:
        return None
    message = (
        f"This model's maximum context length is {limit} tokens. However, you requested "
        f"{input_tokens + output_tokens} ({input_tokens} in the input, {output_tokens} for the output)."
    )
    return Refusal(400, message, code="context_length_exceeded")


def on_demand(status: int) -> Refusal:
    """The failure that `--error-rate` asks for, with this status."""
    if status == 429:
        message = "Rate limit reached: --error-rate asks for it."
        headers = (("retry-after", "1"),)
        return Refusal(429, message, "requests", code="rate_limit_exceeded", headers=headers)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return Refusal(status, "The server had an error: --error-rate asks for it.", kind)
