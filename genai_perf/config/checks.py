"""What must hold between options, and of the files and addresses they name.

Where GenAI-Perf or Perf Analyzer has an error for it, its words are kept: scripts look for them.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from genai_perf.config import inputs, media, traces
from genai_perf.config.gap_words import OUTPUT_FORMATS
from genai_perf.config.options import OPTIONS, Layer
from genai_perf.config.schema import Config
from genai_perf.config.urls import EMBEDDED, parse_url
from genai_perf.config.values import parse_request_parameters, parse_shapes
from genai_perf.exceptions import InputError, UsageError

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A header's name (RFC 9110, 5.6.2)."""

_OWN_HEADERS = ("connection", "content-length", "transfer-encoding")
"""Headers that frame the request; they follow from it and from --connection-reuse."""

_OWN_FILES = ("inputs.json", "records.arrows", "run.json")
"""Files of a run directory that the raw export must not overwrite."""


def check(config: Config, given: Layer) -> list[str]:
    """Raise UsageError for the first rule that is broken; return warnings, options without effect.

    `given` tells what somebody said from what is a default.
    """
    for rule in _RULES:
        rule(config, given)
    return list(_without_effect(config, given))


def check_endpoint(config: Config, *, can_stream: bool, can_batch: bool, produces_tokens: bool) -> list[str]:
    """The rules that depend on what the endpoint can do; raises and returns as `check` does."""
    name = OUTPUT_FORMATS.get(str(config.endpoint.type), str(config.endpoint.type))
    if config.endpoint.type == "kserve":
        name = config.endpoint.backend or "tensorrtllm"
    if config.endpoint.streaming and not can_stream:
        raise UsageError(f"The --streaming option is not supported for {name}.")
    if config.input.batch_size != 1 and not can_batch:
        raise UsageError(
            f"The --batch-size-text flag is not supported for {name}.",
            hint="it is for endpoints that take several texts in one request, such as embeddings",
        )
    if config.input.limits_output and not produces_tokens:
        option = "--output-tokens-mean" if config.input.output_tokens_mean is not None else "an output length"
        return [f"{option} has no effect with {config.endpoint.type}"]
    return []


def _check_model(config: Config, _given: Layer) -> None:
    if not config.endpoint.model_names:
        raise UsageError("The -m/--model option is required and cannot be empty.")


def _check_type(config: Config, given: Layer) -> None:
    kind, wanted = config.endpoint.service_kind, config.endpoint.type
    if kind == "openai" and "endpoint.type" not in given:
        raise UsageError(
            "The --endpoint-type option is required when using the 'openai' service-kind.",
            hint="for example --endpoint-type chat, completions or embeddings",
        )
    # 24.12 had `generate` under triton
    if kind is not None and kind != config.service_kind and (kind, wanted) != ("triton", "generate"):
        raise UsageError(f"Invalid endpoint-type '{wanted}' for service-kind '{kind}'.")


def _check_grpc(config: Config, given: Layer) -> None:
    """What only Triton's gRPC has, and what it has not."""
    endpoint = config.endpoint
    if endpoint.backend is not None and endpoint.type != "kserve":
        raise UsageError(
            "The backend should only be used with the following combination: 'service_kind: triton' & "
            "'type: kserve'",
            hint="leave --backend out: only Triton's own protocol differs by the engine behind it",
        )
    for key in ("endpoint.model_version", "endpoint.request_parameters", "endpoint.tensor_shapes"):
        if key in given and endpoint.type != "kserve":
            raise UsageError(f"{given[key].source} needs --endpoint-type kserve")
    if "endpoint.bls_composing_models" in given and endpoint.type not in ("kserve", "generate"):
        source = given["endpoint.bls_composing_models"].source
        raise UsageError(f"{source} needs --endpoint-type kserve or generate")
    for key in ("endpoint.grpc_method", "endpoint.proto", "endpoint.proto_descriptor"):
        if key in given and endpoint.type != "dynamic_grpc":
            raise UsageError(f"{given[key].source} needs --endpoint-type dynamic_grpc")
    if endpoint.grpc_compression != "none" and not config.is_grpc:
        raise UsageError(
            f"{given['endpoint.grpc_compression'].source} needs an endpoint type that speaks gRPC"
        )
    parse_request_parameters(endpoint.request_parameters)
    parse_shapes(endpoint.tensor_shapes)
    speaks = "grpc" if config.is_grpc else "http"
    if endpoint.protocol not in (None, speaks):
        raise UsageError(
            f"{given['endpoint.protocol'].source}: {endpoint.type} is spoken over {speaks}, "
            f"not {endpoint.protocol}"
        )
    if endpoint.grpc_tls and not config.is_grpc:
        raise UsageError(f"{given['endpoint.grpc_tls'].source} needs an endpoint type that speaks gRPC")
    if endpoint.grpc_tls and any(url.startswith("http://") for url in endpoint.urls):
        raise UsageError(f"{given['endpoint.grpc_tls'].source} contradicts http://")
    if config.is_grpc and endpoint.transport != "native":
        raise UsageError(f"--transport {endpoint.transport} cannot speak gRPC", hint="leave --transport out")


def _check_method(config: Config, given: Layer) -> None:
    """What is called, and by what words, where that is up to the user."""
    endpoint = config.endpoint
    if endpoint.type != "dynamic_grpc":
        return
    if endpoint.grpc_method is None:
        raise UsageError(
            "The --grpc-method option is required when using the dynamic_grpc endpoint type.",
            hint="for example --grpc-method helloworld.Greeter/SayHello",
        )
    if not re.fullmatch(r"/?[\w.]+/\w+", endpoint.grpc_method, re.ASCII):
        raise UsageError(
            f"{given['endpoint.grpc_method'].source}: {endpoint.grpc_method!r} is not package.Service/Method",
            hint="for example --grpc-method helloworld.Greeter/SayHello",
        )
    if endpoint.path is not None:
        raise UsageError("--endpoint: dynamic_grpc has no path", hint="the method goes into --grpc-method")
    if config.input.is_synthetic:
        raise UsageError(
            "The --input-file option is required when using the dynamic_grpc endpoint type.",
            hint='a JSONL file: a message on each line, or {"text": "a command that writes messages"}',
        )
    if endpoint.proto is not None and endpoint.proto_descriptor is not None:
        raise UsageError("--proto and --proto-descriptor exclude each other")
    for key, file in (("proto", endpoint.proto), ("proto_descriptor", endpoint.proto_descriptor)):
        if file is not None and not file.is_file():
            raise InputError(f"{given[f'endpoint.{key}'].source}: no file {str(file)!r}")


def _check_urls(config: Config, given: Layer) -> None:
    source = given["endpoint.urls"].source if "endpoint.urls" in given else "--url"
    urls = config.urls
    if EMBEDDED in urls:
        if len(urls) > 1:
            raise UsageError(f"{source}: embedded stands alone, it cannot be mixed with other servers")
        if config.is_grpc or config.endpoint.type == "generate":
            raise UsageError(
                f"{source}: the embedded server does not speak {config.endpoint.type}",
                hint="it speaks all APIs over HTTP but Triton's own: --endpoint-type chat, completions, …",
            )
        return
    for text in urls:
        if parse_url(text, source).scheme in ("grpc", "grpcs") and not config.is_grpc:
            raise UsageError(f"{source}: {text}: {config.endpoint.type} is spoken over http, not grpc")


def _check_path(config: Config, _given: Layer) -> None:
    path = config.endpoint.path or ""
    if "://" in path or re.search(r"[\x00-\x20\x7f#]", path):
        raise UsageError(f"--endpoint: {path!r} is not a path", hint="the server's address goes into --url")


def _check_headers(config: Config, given: Layer) -> None:
    """Names the header by its place, never by its value: that may be a secret."""
    for place, header in enumerate(config.endpoint.headers, start=1):
        source = given["endpoint.headers"].source
        name, colon, value = header.partition(":")
        if not colon:
            raise UsageError(
                f"{source}: header {place} has no colon", hint="for example -H 'Authorization: Bearer …'"
            )
        if not _TOKEN.fullmatch(name.strip()):
            raise UsageError(f"{source}: header {place}: its name holds characters that no header's name may")
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value) or not value.isascii():
            raise UsageError(
                f"{source}: the value of {name.strip()} holds a control character or one beyond ASCII"
            )
        if name.strip().lower() in _OWN_HEADERS:
            raise UsageError(f"{source}: {name.strip()} is set by this program")


def _check_transport(config: Config, given: Layer) -> None:
    endpoint = config.endpoint
    for key, is_given in (("endpoint.http2", endpoint.http2), ("endpoint.proxy", endpoint.proxy)):
        if is_given and endpoint.transport != "httpx":
            raise UsageError(f"{given[key].source} needs --transport httpx")
    if endpoint.proxy and not re.fullmatch(r"(https?|socks5h?)://[^/\s]+/?", endpoint.proxy):
        raise UsageError(
            f"{given['endpoint.proxy'].source}: not the address of a proxy",
            hint="for example --proxy http://proxy.example:3128",
        )


def _check_gpu_telemetry(config: Config, given: Layer) -> None:
    key = "telemetry.gpu_urls"
    for text in config.telemetry.gpu_urls:
        if parse_url(text, given[key].source).scheme == "unix":
            raise UsageError(f"{given[key].source}: {text!r} is not the URL of an exporter")


def _check_tls_files(config: Config, given: Layer) -> None:
    for key, file in (
        ("endpoint.tls_ca_file", config.endpoint.tls_ca_file),
        ("endpoint.tls_cert_file", config.endpoint.tls_cert_file),
        ("endpoint.tls_key_file", config.endpoint.tls_key_file),
    ):
        if file is not None and not file.is_file():
            raise InputError(f"{given[key].source}: no file {str(file)!r}")
    if config.endpoint.tls_key_file and not config.endpoint.tls_cert_file:
        raise UsageError(f"{given['endpoint.tls_key_file'].source} needs --tls-cert-file")


def _check_load(config: Config, given: Layer) -> None:
    load = config.load
    if load.max_concurrency is not None and not config.is_open_loop:
        raise UsageError(
            f"{given['load.max_concurrency'].source} needs --request-rate",
            hint="a closed loop's limit is --concurrency",
        )
    has_rate = config.has_rate
    if load.request_distribution != "constant" and not has_rate:
        raise UsageError(f"{given['load.request_distribution'].source} needs --request-rate")
    if load.burstiness is not None and not has_rate:
        raise UsageError(f"{given['load.burstiness'].source} needs --request-rate")
    if load.burstiness is not None and load.request_distribution == "poisson":
        raise UsageError(
            "--request-rate-burstiness contradicts --request-distribution poisson",
            hint="a burstiness of 1 is Poisson",
        )
    if load.request_distribution == "gamma" and load.burstiness is None:
        raise UsageError("--request-distribution gamma needs --request-rate-burstiness")
    for name in ("request_intervals", "request_rate_schedule", "concurrency_schedule"):
        file = getattr(load, name)
        if file is not None and not file.is_file():
            raise InputError(f"{given[f'load.{name}'].source}: no file {str(file)!r}")
    if load.ramp_up_s is not None and not (load.request_rate or load.session_rate or _width(config)):
        raise UsageError(f"{given['load.ramp_up_s'].source} needs --concurrency or --request-rate")
    if load.grace_period_s is not None and load.duration_s is None and not _has_schedule(config):
        raise UsageError(f"{given['load.grace_period_s'].source} needs --benchmark-duration")
    if load.request_count is not None and load.request_count < (load.concurrency or 1):
        raise UsageError(
            f"--request-count can not be less than concurrency: {load.request_count} < {load.concurrency}"
        )


def _width(config: Config) -> int | None:
    return config.load.concurrency or config.load.session_concurrency


def _check_periodic(config: Config, given: Layer) -> None:
    """What goes with batches that follow each other by their responses."""
    if config.load.periodic is None:
        return
    source = given["load.periodic_concurrency_range"].source
    if not (config.endpoint.streaming or config.endpoint.type == "dynamic_grpc"):
        raise UsageError(
            f"{source} needs --streaming", hint="it counts the responses of an answer while they come"
        )
    for key, why in _NOT_PERIODIC.items():
        if key in given and getattr(config.load, key.removeprefix("load.")):
            raise UsageError(f"{source} and {given[key].source} exclude each other", hint=why)
    if config.has_sessions:
        raise UsageError(f"{source} sends requests by themselves, not conversations")


_ITS_END = "the run ends when END requests have been answered"
_NOT_PERIODIC = {
    "load.request_count": _ITS_END,
    "load.duration_s": _ITS_END,
    "load.measurement_interval_ms": _ITS_END,
    "load.measurement_request_count": _ITS_END,
    "load.warmup_request_count": "the first batch is the first that is sent; a run before this one warms up",
    "load.max_prefill_concurrency": "a batch is as many prefills as START and STEP say",
}


def _check_sessions(config: Config, given: Layer) -> None:
    load = config.load
    is_mix = config.input.traffic_file is not None  # which counts a conversation as one, and has no end
    if config.has_sessions and load.request_count is not None and not is_mix:
        raise UsageError(
            f"{given['load.request_count'].source} counts requests; conversations end with their last turn",
            hint="give --num-sessions, or --benchmark-duration",
        )
    for key in ("load.session_concurrency", "load.session_rate"):
        if key in given and not config.input.num_sessions and config.input.is_synthetic:
            raise UsageError(
                f"{given[key].source} needs conversations",
                hint="--num-sessions makes them, --input-file reads them",
            )
    for key in _OF_SESSIONS:
        if key in given and not config.input.num_sessions:
            raise UsageError(f"{given[key].source} needs --num-sessions")
    if config.input.num_sessions and not config.input.is_synthetic:
        raise UsageError(
            f"{given['input.num_sessions'].source} makes conversations, {config.input.source} reads them",
            hint="leave one of them out",
        )


_OF_SESSIONS = (
    "input.session_turns_mean",
    "input.session_turns_stddev",
    "input.session_turn_delay_mean",
    "input.session_turn_delay_stddev",
)


def _has_schedule(config: Config) -> bool:
    return config.load.request_rate_schedule is not None or config.load.concurrency_schedule is not None


def _check_output(config: Config, _given: Layer) -> None:
    name = config.output.profile_export_file
    if name != Path(name).name or name in ("", ".", ".."):
        raise UsageError(
            "Please use --artifact-dir option to define intermediary paths to the profile export file.",
            hint=f"--profile-export-file: {name!r} is not a bare file name",
        )
    if name in _OWN_FILES:
        raise UsageError(f"--profile-export-file: {name} is another file of the run")
    directory = config.output.artifact_dir
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"--artifact-dir: {str(directory)!r} is a file")


_RULES: tuple[Callable[[Config, Layer], None], ...] = (
    _check_model,
    _check_type,
    _check_grpc,
    _check_method,
    _check_urls,
    _check_path,
    _check_headers,
    _check_transport,
    _check_gpu_telemetry,
    _check_tls_files,
    inputs.check,
    traces.check,
    media.check,
    _check_periodic,
    _check_load,
    _check_sessions,
    _check_output,
)


def _without_effect(config: Config, given: Layer) -> Iterator[str]:
    load = config.load
    if "load.cancellation_delay_s" in given and not load.cancellation_rate:
        yield f"{given['load.cancellation_delay_s'].source} has no effect without --request-cancellation-rate"
    if "load.request_period" in given and load.periodic is None:
        yield f"{given['load.request_period'].source} has no effect without --periodic-concurrency-range"
    if load.measurement_interval_ms is None and load.measurement_request_count is None:
        for key in ("load.stability_percentage", "load.stability_percentile", "load.max_trials"):
            if key in given:
                yield f"{given[key].source} has no effect without --measurement-interval"
    if "telemetry.gpu_urls" in given and config.telemetry.gpu in ("nvml", "off"):
        how = config.telemetry.gpu
        yield f"{given['telemetry.gpu_urls'].source} has no effect with --gpu-telemetry {how}"
    if "endpoint.path" in given and config.endpoint.type == "kserve":
        yield f"{given['endpoint.path'].source} has no effect with kserve, which has no path"
    yield from inputs.without_effect(config, given)
    if not any(parse_url(url).scheme in ("https", "grpcs") for url in config.urls if url != EMBEDDED):
        for key in OPTIONS:
            if key.startswith("endpoint.tls_") and key in given:
                yield f"{given[key].source} has no effect without an https:// URL"
    yield from media.without_effect(config, given)
    if "input.prefix_prompt_length" in given and not config.input.prefix_prompt_num:
        yield f"{given['input.prefix_prompt_length'].source} has no effect without --num-prefix-prompts"
