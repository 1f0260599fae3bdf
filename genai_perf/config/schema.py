"""The configuration: one option is one line.

A field's annotation is its type, the default stands first in `option(...)`, then the flags. The command
line, the environment variables (`GENAI_PERF_` and the long flag's name) and the effective config are read
off these classes; a field without flags is set by other means and only recorded.

Values are kept as the user gave them (milliseconds, seconds, strings); None means "not given", and what
follows from that is decided in `Config`'s properties, in one place.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from genai_perf.config.values import PeriodicRange, parse_periodic_range

SENTINEL_STABILITY = 999.0
"""GenAI-Perf's default stability percentage: any three windows that saw requests are stable."""

SERVICE_KINDS = {"kserve": "triton", "dynamic_grpc": "dynamic_grpc"}
"""GenAI-Perf's service kind of the endpoint types that are not OpenAI's; all of these speak gRPC."""

OPEN_LOADS = ("request_rate", "session_rate", "request_intervals", "request_rate_schedule", "fixed_schedule")
"""The load options by which arrivals follow a plan rather than the server."""

TRACES = ("payload", "azure", "burstgpt")
"""What stands before the file's name in `--input-file` where it is a trace."""

READY_MADE = "inputs"
"""What stands there where the files hold requests as they are to be sent."""


def option(
    default: Any,
    *flags: str,
    help: str = "",  # noqa: A002  the word a reader expects in an option's row
    metavar: str | None = None,
    at_least: float | None = None,
    more_than: float | None = None,
    at_most: float | None = None,
    off: str | None = None,
    secret: bool = False,
) -> Any:
    """One option. `off` is the flag that sets a boolean to False; `secret` keeps the value out of every file."""
    given = {
        "flags": flags,
        "help": help,
        "metavar": metavar,
        "at_least": at_least,
        "more_than": more_than,
        "at_most": at_most,
        "off": off,
        "secret": secret,
    }
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=given)
    return field(default=default, metadata=given)


@dataclass(frozen=True, slots=True)
class Trace:
    """A file of requests that were sent once, with the instants or lengths they had."""

    kind: str
    """One of TRACES."""
    path: Path


# fmt: off
@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    """What is measured, and how it is reached."""

    model_names: tuple[str, ...] = option((), "-m", "--model", metavar="NAME…", help="Model name(s), as the server knows them.")
    model_selection_strategy: Literal["round_robin", "random"] = option("round_robin", "--model-selection-strategy", help="How several models share the requests.")
    type: str | None = option(None, "--endpoint-type", metavar="TYPE", help="The API to measure: chat, completions, dynamic_grpc, embeddings, generate, huggingface_generate, image_retrieval, kserve, messages, multimodal, nvclip, rankings, rerank, responses, template. [default: kserve]")
    service_kind: Literal["openai", "triton", "dynamic_grpc"] | None = option(None, "--service-kind", help="GenAI-Perf's older word; follows from --endpoint-type.")
    backend: Literal["tensorrtllm", "vllm"] | None = option(None, "--backend", help="The engine behind Triton (kserve), whose tensors the requests have. [default: tensorrtllm]")
    model_version: str = option("", help="The model's version on Triton; empty for the server's choice. Only the pass-through flag --model-version sets it.")
    request_parameters: tuple[str, ...] = option((), help="Parameters of every inference request, NAME:VALUE:TYPE; only the pass-through flag --request-parameter sets them.")
    tensor_shapes: tuple[str, ...] = option((), help="Shapes of input tensors, NAME:D1,D2; only the pass-through flag --shape sets them.")
    bls_composing_models: tuple[str, ...] = option((), help="Models that a BLS model calls, NAME or NAME:VERSION, whose statistics are told beside its own; only the pass-through flag --bls-composing-models names them.")
    protocol: Literal["http", "grpc"] | None = option(None, help="What Perf Analyzer was told to speak, by its -i; must agree with the endpoint type.")
    grpc_tls: bool = option(False, help="TLS to a gRPC server whose URL has no scheme; only the pass-through flag --ssl-grpc-use-ssl sets it.")
    grpc_method: str | None = option(None, "--grpc-method", metavar="METHOD", help="package.Service/Method to call (dynamic_grpc).")
    proto: Path | None = option(None, "--proto", metavar="FILE", help="The .proto file that describes it; without one the server is asked (reflection).")
    proto_descriptor: Path | None = option(None, "--proto-descriptor", metavar="FILE", help="The same, as protoc --include_imports --descriptor_set_out=FILE makes it.")
    grpc_compression: Literal["none", "gzip", "deflate"] = option("none", "--grpc-compression-algorithm", help="Compress the messages that go over gRPC.")
    path: str | None = option(None, "--endpoint", metavar="PATH", help="Path of the API, where it is not the usual one.")
    urls: tuple[str, ...] = option((), "-u", "--url", metavar="URL…", help="Where the server listens: host:port, http(s)://…, unix:/path, or `embedded`. Several are used in turn. [default: localhost:8000; kserve localhost:8001]")
    streaming: bool = option(False, "--streaming", help="Ask for a streamed answer; needed for TTFT and inter-token latency.")
    headers: tuple[str, ...] = option((), "-H", "--header", metavar="NAME:VALUE", help="An HTTP header for every request; repeatable.", secret=True)
    transport: Literal["native", "httpx"] = option("native", "--transport", help="native: HTTP/1.1 with kernel stamps. httpx: HTTP/2 and proxies, stamped by this program.")
    http2: bool = option(False, "--http2", help="Speak HTTP/2 (with --transport httpx).")
    proxy: str | None = option(None, "--proxy", metavar="URL", help="Send through this proxy (with --transport httpx).", secret=True)
    connection_reuse: Literal["pooled", "never"] = option("pooled", "--connection-reuse", help="Keep connections open between requests, or open one for each.")
    request_timeout_s: float = option(600.0, "--request-timeout", metavar="SECONDS", more_than=0, help="A request without a complete answer by then has failed.")
    connect_timeout_s: float = option(10.0, "--connect-timeout", metavar="SECONDS", more_than=0, help="A connection that is not up by then has failed.")
    tls_verify: bool = option(True, "--tls-verify", off="--no-tls-verify", help="Check the server's certificate and name.")
    tls_verify_host: bool = option(True, help="Check the name in the server's certificate; only the pass-through flag --ssl-https-verify-host turns it off.")
    tls_ca_file: Path | None = option(None, "--tls-ca-file", metavar="PEM", help="Certificates to trust instead of the system's.")
    tls_cert_file: Path | None = option(None, "--tls-cert-file", metavar="PEM", help="Client certificate.")
    tls_key_file: Path | None = option(None, "--tls-key-file", metavar="PEM", help="Its private key, where that is a file of its own.")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputConfig:
    """What to send."""

    file: str | None = option(None, "--input-file", metavar="[FORMAT:]FILE", help="Prompts from a file (JSONL, JSON, CSV, TSV, Parquet, text, ShareGPT) or a directory of them, `inputs:FILE` for requests as a run's inputs.json has them, or `synthetic:queries,passages` for rankings.")
    row_limit: int | None = option(None, "--input-row-limit", at_least=1, help="Take only the first so many rows of --input-file. [default: all]")
    dataset: str | None = option(None, "--input-dataset", metavar="NAME|DIR", help="Prompts from a dataset: openorca, cnn_dailymail, any of the hub's by name, or a directory with one; the first --num-dataset-entries of its rows.")
    dataset_split: str | None = option(None, "--dataset-split", metavar="NAME", help="Which part of it. [default: train, or the only one]")
    dataset_config: str | None = option(None, "--dataset-config", "--dataset-subset", metavar="NAME", help="Which of its subsets, where it has several.")
    dataset_revision: str | None = option(None, "--dataset-revision", metavar="REV", help="Branch, tag or commit of it on the hub.")
    columns: Mapping[str, str] = option({}, "--dataset-columns", metavar="ROLE:COLUMN…", help="What its columns are, or those of a file: prompt, system, output, output_length, image, audio, messages. [default: by their names]")
    num_dataset_entries: int = option(100, "--num-dataset-entries", "--num-prompts", at_least=1, help="How many different prompts to make, or to take from a dataset.")
    synthetic_tokens_mean: int = option(550, "--synthetic-input-tokens-mean", "--isl", at_least=0, help="Tokens in a synthetic prompt.")
    synthetic_tokens_stddev: int = option(0, "--synthetic-input-tokens-stddev", at_least=0, help="Standard deviation of that.")
    output_tokens_mean: int | None = option(None, "--output-tokens-mean", "--osl", at_least=1, help="Output tokens to ask for; left to the server unless given.")
    output_tokens_stddev: int = option(0, "--output-tokens-stddev", at_least=0, help="Standard deviation of that.")
    output_tokens_deterministic: bool = option(False, "--output-tokens-mean-deterministic", help="Ask for exactly that many (min_tokens beside max_tokens).")
    input_length_distribution: str | None = option(None, "--input-length-distribution", metavar="LENGTHS", help="Tokens in a synthetic prompt: normal:MEAN:STDDEV, uniform:MIN:MAX, lognormal:MEDIAN:SIGMA, zipf:EXPONENT:MAX, file:FILE; `:LEAST..MOST` behind it cuts it off.")
    output_length_distribution: str | None = option(None, "--output-length-distribution", metavar="LENGTHS", help="Output tokens to ask for, likewise.")
    isl_osl: str | None = option(None, "--isl-osl", metavar="PAIRS", help="Input and output tokens together, each pair ISL/OSL:WEIGHT with its share: 128/128:0.4,1000/200:0.6; or file:FILE.")
    prefix_prompt_num: int = option(0, "--num-prefix-prompts", at_least=0, help="Size of a pool of prefixes that prompts begin with.")
    prefix_prompt_length: int = option(100, "--prefix-prompt-length", at_least=0, help="Tokens in a prefix.")
    traffic_file: Path | None = option(None, "--traffic", metavar="FILE", help="Kinds of traffic to mix: YAML with a weight and options (input, model, goodput) for each name.")
    num_sessions: int = option(0, "--num-sessions", at_least=0, help="How many conversations of several turns to make.")
    session_turns_mean: int = option(1, "--session-turns-mean", at_least=1, help="Turns in each.")
    session_turns_stddev: int = option(0, "--session-turns-stddev", at_least=0, help="Standard deviation of that.")
    session_turn_delay_mean: int = option(0, "--session-turn-delay-mean", metavar="MS", at_least=0, help="How long the user thinks after an answer.")
    session_turn_delay_stddev: int = option(0, "--session-turn-delay-stddev", metavar="MS", at_least=0, help="Standard deviation of that.")
    session_delay_ratio: float = option(1.0, "--session-delay-ratio", at_least=0, help="Make all these delays longer or shorter, those of a file too.")
    session_history: Literal["server", "file"] = option("server", "--session-history", help="Whose answers go with the next turn: the server's, or those in the input.")
    replay: Path | None = option(None, "--replay", metavar="RUN", help="Send once more what a former run sent, at the same instants: its directory. Another --url, --model or --speed-up may go with it.")
    replay_by: Literal["sent", "due"] = option("sent", "--replay-by", help="The instants of a replay: when requests were sent, or when they were due.")
    batch_size: int = option(1, "-b", "--batch-size-text", "--batch-size", at_least=1, help="Texts in one request (completions, embeddings, nvclip, template).")
    extra: Mapping[str, Any] = option({}, "--extra-inputs", metavar="NAME:VALUE|JSON", help="More keys for the request body; repeatable.")
    random_seed: int = option(0, "--random-seed", help="Seed of everything random: prompts, lengths, arrivals, models.")

    @property
    def trace(self) -> "Trace | None":
        """The trace that is read; None where the input is something else."""
        kind, colon, path = (self.file or "").partition(":")
        return Trace(kind, Path(path).expanduser()) if colon and kind in TRACES else None

    @property
    def ready_made(self) -> tuple[Path, ...]:
        """The files of requests that are sent as they stand there; empty where the input is something else."""
        kind, colon, paths = (self.file or "").partition(":")
        is_one = colon and kind == READY_MADE
        return tuple(Path(path).expanduser() for path in paths.split(",")) if is_one else ()

    @property
    def is_synthetic(self) -> bool:
        """Whether prompts are made rather than read."""
        is_read = self.dataset is not None or self.replay is not None
        return not is_read and (self.file is None or self.file.startswith("synthetic:"))

    @property
    def source(self) -> str:
        """The option that says where prompts come from, where they are read."""
        if self.replay is not None:
            return "--replay"
        return "--input-file" if self.dataset is None else "--input-dataset"

    @property
    def limits_output(self) -> bool:
        """Whether an option says how many output tokens to ask for."""
        given = (self.output_tokens_mean, self.output_length_distribution, self.isl_osl)
        return any(option is not None for option in given)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """Images to send beside the text, or instead of it."""

    batch_size: int = option(1, "--batch-size-image", at_least=1, help="Images in one request.")
    width_mean: int = option(0, "--image-width-mean", metavar="PIXELS", at_least=0, at_most=16384, help="Width of made-up images; 0 makes none.")
    width_stddev: int = option(0, "--image-width-stddev", metavar="PIXELS", at_least=0, at_most=16384, help="Standard deviation of that.")
    height_mean: int = option(0, "--image-height-mean", metavar="PIXELS", at_least=0, at_most=16384, help="Their height; 0 makes none.")
    height_stddev: int = option(0, "--image-height-stddev", metavar="PIXELS", at_least=0, at_most=16384, help="Standard deviation of that.")
    format: Literal["png", "jpeg"] = option("png", "--image-format", help="What made-up images are encoded as.")

    @property
    def are_made(self) -> bool:
        """Whether images are made up; those of a file need no options."""
        return self.width_mean > 0 and self.height_mean > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioConfig:
    """Audio to send beside the text."""

    batch_size: int = option(1, "--batch-size-audio", at_least=1, help="Pieces of audio in one request.")
    length_mean_s: float = option(0.0, "--audio-length-mean", metavar="SECONDS", at_least=0, help="Length of made-up audio; 0 makes none.")
    length_stddev_s: float = option(0.0, "--audio-length-stddev", metavar="SECONDS", at_least=0, help="Standard deviation of that.")
    format: Literal["wav", "mp3"] = option("wav", "--audio-format", help="What made-up audio is encoded as.")
    depths: tuple[int, ...] = option((16,), "--audio-depths", metavar="BITS…", help="Bits a sample in WAV: 8, 16, 24, 32; of several, one is drawn for each. [default: 16]")
    sample_rates_khz: tuple[float, ...] = option((16.0,), "--audio-sample-rates", metavar="KHZ…", help="Samples a second, in thousands, likewise. [default: 16]")
    num_channels: int = option(1, "--audio-num-channels", metavar="1|2", at_least=1, at_most=2, help="Mono or stereo.")

    @property
    def is_made(self) -> bool:
        """Whether audio is made up."""
        return self.length_mean_s > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadConfig:
    """When to send, and when to stop."""

    concurrency: int | None = option(None, "--concurrency", at_least=1, help="Closed loop: this many requests always in flight. [default: 1]")
    session_concurrency: int | None = option(None, "--session-concurrency", at_least=1, help="Closed loop of conversations: this many always open.")
    session_rate: float | None = option(None, "--session-request-rate", metavar="PER_S", more_than=0, help="Open loop of conversations: begun per second, whatever the server does.")
    request_rate: float | None = option(None, "--request-rate", metavar="PER_S", more_than=0, help="Open loop: requests sent per second, whatever the server does.")
    request_distribution: Literal["constant", "poisson", "gamma"] = option("constant", "--request-distribution", help="Gaps between the arrivals of an open loop.")
    burstiness: float | None = option(None, "--request-rate-burstiness", metavar="SHAPE", more_than=0, help="Gamma arrivals of this shape: below 1 in bursts, 1 as poisson, above 1 more even.")
    request_intervals: Path | None = option(None, "--request-intervals", metavar="FILE", help="Open loop with the gaps of this file, in µs, one a line, repeated.")
    request_rate_schedule: Path | None = option(None, "--request-rate-schedule", metavar="FILE", help="Open loop at a changing rate: lines `seconds, requests/s [, requests/s at their end]`.")
    concurrency_schedule: Path | None = option(None, "--concurrency-schedule", metavar="FILE", help="Closed loop of changing width: lines `seconds, in flight [, in flight at their end]`.")
    periodic_concurrency_range: str | None = option(None, "--periodic-concurrency-range", metavar="START:END[:STEP]", help="Batches: START requests at once, then STEP more (1 unless given) whenever each of the latest batch has had --request-period responses, until END were sent.")
    request_period: int = option(10, "--request-period", at_least=1, help="How many responses each request of a batch has had when the next batch is sent.")
    fixed_schedule: bool | None = option(None, "--fixed-schedule", metavar="[true|false]", help="Open loop by the instants of a trace, or of ready-made requests, each of them once. [default: on for a file that has them, unless another load is chosen]")
    speed_up: float = option(1.0, "--speed-up", metavar="FACTOR", more_than=0, help="Send a trace so many times as fast, or below 1 slower.")
    ramp_up_s: float | None = option(None, "--ramp-up", metavar="SECONDS", more_than=0, help="Let --concurrency or --request-rate rise evenly over this long, counted as part of the run.")
    max_concurrency: int | None = option(None, "--max-concurrency", at_least=1, help="At most this many in flight in an open loop; later arrivals wait and are charged for it.")
    request_count: int | None = option(None, "--request-count", "--num-requests", at_least=1, help="Stop after this many. [default: max(10, 2 x concurrency), or 10 s of --request-rate]")
    warmup_request_count: int = option(0, "--warmup-request-count", "--num-warmup-requests", at_least=0, help="Requests sent before, and not counted.")
    duration_s: float | None = option(None, "--benchmark-duration", metavar="SECONDS", more_than=0, help="Stop sending after this long; what is in flight is awaited and counted.")
    grace_period_s: float | None = option(None, "--benchmark-grace-period", metavar="SECONDS", at_least=0, help="Wait no longer than this for what is in flight when the duration is over, and give up the rest. [default: wait for all]")
    max_prefill_concurrency: int | None = option(None, "--max-prefill-concurrency", at_least=1, help="At most this many requests wait for their first token; others wait before they are sent.")
    cancellation_rate: float | None = option(None, "--request-cancellation-rate", metavar="SHARE", at_least=0, at_most=1, help="Hang up on this share of the requests, chosen by the seed.")
    cancellation_delay_s: float = option(0.0, "--request-cancellation-delay", metavar="SECONDS", at_least=0, help="How long after it was sent such a request is given up.")
    measurement_interval_ms: int | None = option(None, "-p", "--measurement-interval", metavar="MS", at_least=1, help="Measure in windows of this length until they are stable.")
    measurement_request_count: int | None = option(None, "--measurement-request-count", at_least=1, help="Measure in windows of at least this many requests until they are stable.")
    stability_percentage: float = option(SENTINEL_STABILITY, "-s", "--stability-percentage", at_least=0, at_most=999, help="Three windows in a row that differ by no more than this are stable; 999 accepts any.")
    stability_percentile: int | None = option(None, "--percentile", at_least=1, at_most=99, help="The latency that must be stable; the average unless given.")
    max_trials: int = option(10, "-r", "--max-trials", at_least=1, help="Windows to try at most.")
    max_error_rate: float | None = option(None, "--max-error-rate", metavar="SHARE", at_least=0, at_most=1, help="End the run when more than this share has failed (after 10 requests). [default: only when everything fails]")

    @property
    def is_chosen(self) -> bool:
        """Whether an option says when to send; a trace's own instants count for nothing then."""
        chosen = (
            "concurrency",
            "session_concurrency",
            "concurrency_schedule",
            "periodic_concurrency_range",
            *OPEN_LOADS,
        )
        return any(getattr(self, name) is not None for name in chosen)

    @property
    def periodic(self) -> PeriodicRange | None:
        """The batches of a periodic concurrency; None for any other load."""
        text = self.periodic_concurrency_range
        return None if text is None else parse_periodic_range(text, "--periodic-concurrency-range")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerConfig:
    """What counts tokens."""

    name: str | None = option(None, "--tokenizer", metavar="NAME|DIR", help="A local directory, a hub name, or `builtin`. [default: the model's name]")
    revision: str = option("main", "--tokenizer-revision", metavar="REV", help="Branch, tag or commit on the hub.")
    trust_remote_code: bool = option(False, "--tokenizer-trust-remote-code", help="Let a hub tokenizer run its own code.")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """How the records are read."""

    goodput: Mapping[str, float] = option({}, "-g", "--goodput", metavar="METRIC:VALUE…", help="What a good request is, e.g. time_to_first_token:75 (ms) request_latency:2000.")
    use_server_token_count: bool = option(False, "--use-server-token-count", help="Count output and input tokens as the server's `usage` says.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """What is sampled beside the run; no figure of the requests depends on it."""

    gpu: Literal["auto", "dcgm", "nvml", "off"] = option("auto", "--gpu-telemetry", help="What the GPUs did meanwhile: by DCGM exporters, or by NVML on this machine; auto takes what it finds.")
    gpu_urls: tuple[str, ...] = option((), "--gpu-telemetry-url", metavar="URL…", help="DCGM exporters, one for each host with GPUs. [default: localhost:9400]")
    server_metrics_urls: tuple[str, ...] = option((), "--server-metrics-url", "--server-metrics-urls", metavar="URL…", help="Pages of Prometheus metrics to sample, of servers or of GPUs, besides those found at the endpoint's host.")
    server_metrics: bool = option(True, "--server-metrics", off="--no-server-metrics", help="Look for the server's own metrics, and compare them with what was measured.")
    interval_s: float | None = option(None, "--telemetry-interval", metavar="SECONDS", at_least=0.05, help="How often to sample. [default: 1 for a server, 0.33 for GPUs]")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConfig:
    """What is left behind."""

    artifact_dir: Path = option(Path("artifacts"), "--artifact-dir", metavar="DIR", help="Every run gets a directory of its own in here.")
    profile_export_file: str = option("profile_export.json", "--profile-export-file", metavar="NAME", help="Name of the raw export; the other files are named after it.")
    generate_plots: bool = option(False, "--generate-plots", help="Draw the run: pages that open offline, in plots/; images too where kaleido and a Chrome are installed.")
    verbose: bool = option(False, "-v", "--verbose", help="More about the run: each measurement window, and the whole table.")
    quiet: bool = option(False, "-q", "--quiet", help="Nothing on stderr but errors.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointConfig:
    """How runs are remembered; no part of any one of them. `profile` does it when asked, `analyze` by itself."""

    enable_checkpointing: bool | None = option(None, "--enable-checkpointing", off="--no-checkpointing", help="Remember what was measured, and do not measure it again. [default: on for analyze, off for profile]")
    checkpoint_dir: Path | None = option(None, "--checkpoint-dir", metavar="DIR", help="Where checkpoint.json is. [default: ./checkpoint, and a copy in the working directory]")
    resume: Literal["remeasure", "continue"] = option("remeasure", "--resume", help="A run that was killed or interrupted half-way: measure it again, or keep its records and send the rest.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeConfig:
    """What `analyze` varies from run to run."""

    sweep_types: tuple[str, ...] = option((), "--sweep-type", metavar="TYPE…", help="What to vary: concurrency, request_rate, batch_size, input_sequence_length, output_sequence_length, num_dataset_entries, num_prefix_prompts, prefix_prompt_length. Several make their product, the first varying slowest. [default: concurrency]")
    sweep_ranges: tuple[str, ...] = option((), "--sweep-range", metavar="[TYPE:]MIN:MAX[:STEP]", help="Its values: the powers of two from MIN to MAX, or every STEP. Belongs to the sweep type before it, or to the one it names.")
    sweep_lists: tuple[str, ...] = option((), "--sweep-list", metavar="[TYPE:]A,B,C", help="Its values one by one, in this order; instead of a range.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFileConfig:
    """What `config` goes by."""

    file: Path | None = option(None, "-f", "--file", metavar="FILE", help="The config file; of a run's directory, the one in it.")
    override: bool = option(False, "--override-config", help="Let the other options here change what the file says.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateConfig:
    """What `create-template` writes."""

    file: Path = option(Path("genai_perf_config.yaml"), "-f", "--file", metavar="FILE", help="The config file to write.")
    verbose: bool = option(False, "-v", "--verbose", help="Describe every key, and have those that GenAI-Perf does not know as well.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessConfig:
    """What `process-export-files` merges."""

    input_path: Path = option(Path("aggregated"), "-d", "--input-directory", metavar="DIR", help="Where the runs' directories are, at any depth.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig:
    """What `compare` sets side by side."""

    files: tuple[str, ...] = option((), "-f", "--files", metavar="RUN…", help="The runs: their directories, or their profile_export.json; the others are compared with the first.")
    config: Path | None = option(None, "--config", metavar="FILE", help="Draw the plots that this file describes, instead of GenAI-Perf's five; --files writes one to begin with.")
    directory: Path | None = option(None, "--artifact-dir", metavar="DIR", help="Where the plots and tables go. [default: compare, or as the file says]")


# fmt: on
@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficClassConfig:
    """One kind of traffic in a mix."""

    name: str
    weight: float
    """Its share of the slots, relative to the others'."""
    config: "Config"
    """The run's, with this kind's own input, models and goodput."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole run, checked; nothing below the command line asks where a value came from."""

    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    input: InputConfig = field(default_factory=InputConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    load: LoadConfig = field(default_factory=LoadConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    traffic: tuple[TrafficClassConfig, ...] = ()
    """Kinds of traffic that `--traffic` mixes; empty: all requests are of one kind."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where to send; GenAI-Perf's default for the service kind unless given."""
        urls = self.endpoint.urls or ("localhost:8001" if self.is_grpc else "localhost:8000",)
        if not self.endpoint.grpc_tls:
            return urls
        return tuple(url if "://" in url else f"https://{url}" for url in urls)

    @property
    def service_kind(self) -> str:
        """GenAI-Perf's word for what is measured."""
        return SERVICE_KINDS.get(str(self.endpoint.type), "openai")

    @property
    def is_grpc(self) -> bool:
        """Whether the endpoint type is spoken over gRPC."""
        return self.endpoint.type in SERVICE_KINDS

    @property
    def is_open_loop(self) -> bool:
        """Whether arrivals follow a plan rather than the server."""
        return any(getattr(self.load, name) is not None for name in OPEN_LOADS)

    @property
    def has_rate(self) -> bool:
        """Whether arrivals come at a rate, steady or not."""
        load = self.load
        return any(
            rate is not None for rate in (load.request_rate, load.session_rate, load.request_rate_schedule)
        )

    @property
    def concurrency(self) -> int | None:
        """How many requests may be in flight; None for an open loop without a cap."""
        if self.is_open_loop:
            return self.load.max_concurrency
        if self.load.periodic is not None:
            return self.load.periodic.end
        return (
            self.load.session_concurrency or self.load.concurrency or 1
        )  # and with --concurrency-schedule, until its file is read

    @property
    def request_count(self) -> int | None:
        """How many benchmark requests to send; None when time or windows end the run.

        GenAI-Perf's default is max(10, 2 x concurrency). For a rate it was 10 as well, which Perf Analyzer then
        refused for any rate above 10; ten seconds of the rate is what its users had to write themselves.
        """
        load = self.load
        if load.periodic is not None:
            return load.periodic.end
        if load.request_count is not None:
            return load.request_count
        if load.duration_s or load.measurement_interval_ms or load.measurement_request_count:
            return None
        if load.request_rate_schedule is not None or load.concurrency_schedule is not None:
            return None
        if load.fixed_schedule:
            return None  # each request of the trace once
        if self.has_sessions and self.input.traffic_file is None:
            return None  # each conversation once
        rate = load.request_rate or load.session_rate  # of a mix, which goes on for ever
        if rate is not None:
            return max(10, math.ceil(rate * 10))
        return max(10, 2 * (self.concurrency or 1))

    @property
    def has_sessions(self) -> bool:
        """Whether the options ask for conversations; a file can hold some without that."""
        load = self.load
        return (
            bool(self.input.num_sessions)
            or (self.input.file or "").startswith("conversations:")
            or load.session_concurrency is not None
            or load.session_rate is not None
        )

    @property
    def tokenizer_name(self) -> str:
        """GenAI-Perf's rule: the first model's name unless given."""
        return self.tokenizer.name or self.endpoint.model_names[0]

    def public(self) -> dict[str, dict[str, Any]]:
        """Every value by section and field, ready for JSON, with secrets blanked."""
        public = {section: _public_section(getattr(self, section)) for section in sections()}
        if self.traffic:
            public["traffic"] = {each.name: _public_class(each) for each in self.traffic}
        return public


def sections() -> dict[str, type]:
    """The sections of a config, by name: what its options are read off."""
    return {
        row.name: row.type for row in fields(Config) if is_dataclass(row.type) and isinstance(row.type, type)
    }


OF_A_CLASS = ("input", "image", "audio", "metrics")
"""Sections that every kind of traffic has for itself; of the endpoint, only the models."""


def _public_class(kind: TrafficClassConfig) -> dict[str, Any]:
    return {
        "weight": kind.weight,
        "model_names": list(kind.config.endpoint.model_names),
        **{section: _public_section(getattr(kind.config, section)) for section in OF_A_CLASS},
    }


def _public_section(section: Any) -> dict[str, Any]:
    public: dict[str, Any] = {}
    for row in fields(section):
        value = getattr(section, row.name)
        if isinstance(value, Path):
            value = str(value)
        if row.metadata.get("secret") and value:
            value = (
                [f"{header.split(':', 1)[0]}: ***" for header in value] if isinstance(value, tuple) else "***"
            )
        public[row.name] = list(value) if isinstance(value, tuple) else value
    return public
