# ruff: noqa: E501, RUF009  one option, one line
"""What the embedded server can be told: one option is one line, as in `config/schema.py`.

`genai-perf serve`, `python -m genai_perf.server` and `EmbeddedServer` all read these rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from genai_perf.clock import NS_PER_MS
from genai_perf.config.options import Layer, Option, parse, rows_of
from genai_perf.config.schema import option
from genai_perf.exceptions import UsageError
from genai_perf.server.latency import Failures, LatencyModel


# fmt: off
@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How the embedded server listens, answers, waits and fails."""

    host: str = option("127.0.0.1", "--host", help="Address to listen on.")
    port: int = option(8000, "--port", at_least=0, at_most=65535, help="Port to listen on; 0 takes a free one.")
    unix_socket: Path | None = option(None, "--unix-socket", metavar="PATH", help="Listen on this unix socket instead.")
    tls_cert_file: Path | None = option(None, "--tls-cert-file", metavar="PEM", help="Serve https with this certificate (chain).")
    tls_key_file: Path | None = option(None, "--tls-key-file", metavar="PEM", help="Its private key, where that is a file of its own.")
    api_key: str | None = option(None, "--api-key", metavar="KEY", help="Refuse requests without `Authorization: Bearer KEY` (401).", secret=True)
    models: tuple[str, ...] = option((), "-m", "--model", metavar="NAME…", help="Model(s) to serve. Others are refused (404). [default: any name]")

    ttft_ms: float = option(15.0, "--ttft", metavar="MS", at_least=0, help="From a place being free to the first token.")
    ttft_per_input_token_ms: float = option(0.02, "--ttft-per-input-token", metavar="MS", at_least=0, help="What each input token adds to that.")
    itl_ms: float = option(8.0, "--itl", metavar="MS", at_least=0, help="Gap between the tokens of a request that is alone.")
    itl_per_request_ms: float = option(0.05, "--itl-per-request", metavar="MS", at_least=0, help="What every other request being decoded adds to that gap.")
    max_active: int = option(64, "--max-active", metavar="N", at_least=1, help="Requests decoded at a time; the others wait in order of arrival.")
    jitter: float = option(0.0, "--jitter", metavar="SHARE", at_least=0, at_most=2, help="Spread of every wait (sigma of a log-normal factor with mean 1).")

    output_tokens: int = option(128, "--output-tokens", metavar="N", at_least=1, help="Length of an answer whose request sets no limit.")
    reasoning_tokens: int = option(0, "--reasoning-tokens", metavar="N", at_least=0, help="Chat only: reasoning tokens sent before the answer's own.")
    embedding_dimensions: int = option(384, "--embedding-dimensions", metavar="N", at_least=1, help="Length of a vector, unless the request says.")
    context_length: int = option(131_072, "--context-length", metavar="N", at_least=2, help="Input and output tokens of a request together; more is refused (400).")

    error_rate: float = option(0.0, "--error-rate", metavar="SHARE", at_least=0, at_most=1, help="Share of requests refused with --error-status.")
    error_status: int = option(500, "--error-status", metavar="CODE", at_least=400, at_most=599, help="HTTP status of those.")
    stall_rate: float = option(0.0, "--stall-rate", metavar="SHARE", at_least=0, at_most=1, help="Share of answers that stop half-way, with the connection left open.")
    reset_rate: float = option(0.0, "--reset-rate", metavar="SHARE", at_least=0, at_most=1, help="Share of answers cut off half-way by a connection reset.")
    random_seed: int = option(0, "--random-seed", help="Seed of jitter and failures; both depend on it and the request's number alone.")

    truth_log: Path | None = option(None, "--truth-log", metavar="FILE", help="Write when each request and token really came and went (JSON lines).")
    stop_on_eof: bool = option(False, "--stop-on-eof", help="Stop when standard input closes, so as not to outlive whoever started it.")
    verbose: bool = option(False, "-v", "--verbose", help="At the end, one line of JSON on stderr that says what was served.")
# fmt: on

    def __post_init__(self) -> None:
        """Raise UsageError for values that do not go together."""
        if self.tls_key_file and not self.tls_cert_file:
            raise UsageError("--tls-key-file: needs --tls-cert-file as well")
        total = self.error_rate + self.stall_rate + self.reset_rate
        if total > 1 + 1e-9:
            raise UsageError(
                f"--error-rate, --stall-rate and --reset-rate: add up to {total:g}",
                hint="a request fails in one way at most, so the three shares can be 1 together",
            )

    @property
    def latency(self) -> LatencyModel:
        """How long things take, in nanoseconds."""
        return LatencyModel(
            ttft_ns=round(self.ttft_ms * NS_PER_MS),
            ttft_per_input_token_ns=round(self.ttft_per_input_token_ms * NS_PER_MS),
            itl_ns=round(self.itl_ms * NS_PER_MS),
            itl_per_request_ns=round(self.itl_per_request_ms * NS_PER_MS),
            jitter=self.jitter,
            seed=self.random_seed,
        )

    @property
    def failures(self) -> Failures:
        """How many requests fail, and how."""
        return Failures(self.error_rate, self.stall_rate, self.reset_rate, self.random_seed)

    def argv(self) -> list[str]:
        """The command line that says the same; options at their default are left out."""
        words = []
        for row in fields(self):
            value = getattr(self, row.name)
            if value == row.default:
                continue
            flag = row.metadata["flags"][-1]
            if isinstance(value, bool):
                words.append(flag)
            else:
                # `--flag=value`, so that a value may begin with a dash
                values = value if isinstance(value, tuple) else (value,)
                words += [f"{flag}={each}" for each in values]
        return words


OPTIONS: Sequence[Option] = rows_of("server", ServerSettings)
"""Every row, for whoever makes a command line of them."""


def from_layer(layer: Layer) -> ServerSettings:
    """The settings that a command line asks for; UsageError for a value that is wrong."""
    given = {
        option.key.partition(".")[2]: parse(option, layer[option.key])
        for option in OPTIONS
        if option.key in layer
    }
    return ServerSettings(**given)
