"""What stands behind the first bare `--`: Perf Analyzer's own flags, and what each means here.

GenAI-Perf handed them to Perf Analyzer unread. Here each is one row of `RULES`: it sets an option, it is
translated, it is harmless but has no effect (a warning), or it is refused.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from genai_perf.config import ready_made
from genai_perf.config.arguments import Flag, Takes, read
from genai_perf.config.latency_report import REPORT_FLAGS, LatencyReport, read_report
from genai_perf.config.levels import SEARCH_FLAGS, Levels, read_levels
from genai_perf.config.options import Given, Layer
from genai_perf.exceptions import UsageError

DEFAULT_INTERVAL_MS = 5000
"""Perf Analyzer's time window where none is given."""
DEFAULT_WINDOW_REQUESTS = 50
"""Its count window."""


@dataclass(slots=True)
class PassedThrough:
    """What the flags behind `--` come to."""

    layer: dict[str, Given] = field(default_factory=dict)
    """Stronger than the flags before `--`."""
    levels: Levels | None = None
    """The loads to measure, where a flag says them."""
    report: LatencyReport | None = None
    warnings: list[str] = field(default_factory=list)


class Verdict(Enum):
    """What becomes of a flag."""

    SETS = "sets"
    """It is one of our options, named in `detail`; a switch turns it on."""
    MEANS = "means"
    """A function translates it."""
    NO_EFFECT = "no effect"
    """Accepted, with a warning that gives `detail` as the reason; without a reason it is true anyway."""
    REFUSED = "refused"
    """Refused for the reason in `detail`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One flag of Perf Analyzer."""

    flags: str
    """Its spellings, the long one first."""
    takes: Takes
    verdict: Verdict
    detail: str = ""


_NO_THREADS = "one event loop sends everything"
_NO_TENSORS = "tensors are made of the prompts and --extra-inputs"
_NO_SEQUENCES = "there are no sequence models here"
_SERVER_SIDE = "it concerns Triton's own process, which this program does not start"

RULES: tuple[Rule, ...] = (
    # the load
    Rule("--concurrency-range", Takes.ONE, Verdict.MEANS),
    Rule("--request-rate-range", Takes.ONE, Verdict.MEANS),
    Rule("-t", Takes.ONE, Verdict.MEANS),
    Rule("--request-intervals", Takes.ONE, Verdict.SETS, "load.request_intervals"),
    Rule("--request-distribution", Takes.ONE, Verdict.SETS, "load.request_distribution"),
    Rule("--periodic-concurrency-range", Takes.ONE, Verdict.SETS, "load.periodic_concurrency_range"),
    Rule("--request-period", Takes.ONE, Verdict.SETS, "load.request_period"),
    Rule("--session-concurrency", Takes.ONE, Verdict.SETS, "load.session_concurrency"),
    Rule("--fixed-schedule", Takes.NOTHING, Verdict.SETS, "load.fixed_schedule"),
    Rule("--latency-threshold -l", Takes.ONE, Verdict.MEANS),
    Rule("--binary-search", Takes.NOTHING, Verdict.MEANS),
    Rule("--async -a", Takes.NOTHING, Verdict.NO_EFFECT),
    Rule("--sync", Takes.NOTHING, Verdict.NO_EFFECT, "requests are always sent asynchronously"),
    Rule("-c", Takes.ONE, Verdict.NO_EFFECT, "it limited a search that Perf Analyzer gave up"),
    Rule("-d", Takes.NOTHING, Verdict.NO_EFFECT, "it started a search that Perf Analyzer gave up"),
    Rule("--max-threads", Takes.ONE, Verdict.NO_EFFECT, _NO_THREADS),
    # when to stop
    Rule("--measurement-interval -p", Takes.ONE, Verdict.MEANS),
    Rule("--measurement-mode", Takes.ONE, Verdict.MEANS),
    Rule("--measurement-request-count", Takes.ONE, Verdict.MEANS),
    Rule("--request-count", Takes.ONE, Verdict.MEANS),
    Rule("--warmup-request-count", Takes.ONE, Verdict.SETS, "load.warmup_request_count"),
    Rule("--stability-percentage -s", Takes.ONE, Verdict.SETS, "load.stability_percentage"),
    Rule("--percentile", Takes.ONE, Verdict.MEANS),
    Rule("--max-trials -r", Takes.ONE, Verdict.SETS, "load.max_trials"),
    # the wire
    Rule("--model-name -m", Takes.ONE, Verdict.SETS, "endpoint.model_names"),
    Rule("--service-kind", Takes.ONE, Verdict.SETS, "endpoint.service_kind"),
    Rule("--endpoint", Takes.ONE, Verdict.SETS, "endpoint.path"),
    Rule("--url -u", Takes.ONE, Verdict.SETS, "endpoint.urls"),
    Rule("-i", Takes.ONE, Verdict.SETS, "endpoint.protocol"),
    Rule("-H", Takes.ONE, Verdict.SETS, "endpoint.headers"),
    Rule("--streaming", Takes.NOTHING, Verdict.SETS, "endpoint.streaming"),
    Rule("-b", Takes.ONE, Verdict.MEANS),
    Rule("--ssl-https-verify-peer", Takes.ONE, Verdict.MEANS),
    Rule("--ssl-https-verify-host", Takes.ONE, Verdict.MEANS),
    Rule("--ssl-https-ca-certificates-file", Takes.ONE, Verdict.SETS, "endpoint.tls_ca_file"),
    Rule("--ssl-https-client-certificate-file", Takes.ONE, Verdict.SETS, "endpoint.tls_cert_file"),
    Rule("--ssl-https-client-certificate-type", Takes.ONE, Verdict.MEANS),
    Rule("--ssl-https-private-key-file", Takes.ONE, Verdict.SETS, "endpoint.tls_key_file"),
    Rule("--ssl-https-private-key-type", Takes.ONE, Verdict.MEANS),
    Rule("--ssl-grpc-use-ssl", Takes.NOTHING, Verdict.SETS, "endpoint.grpc_tls"),
    Rule("--ssl-grpc-root-certifications-file", Takes.ONE, Verdict.SETS, "endpoint.tls_ca_file"),
    Rule("--ssl-grpc-private-key-file", Takes.ONE, Verdict.SETS, "endpoint.tls_key_file"),
    Rule("--ssl-grpc-certificate-chain-file", Takes.ONE, Verdict.SETS, "endpoint.tls_cert_file"),
    Rule("--grpc-compression-algorithm", Takes.ONE, Verdict.SETS, "endpoint.grpc_compression"),
    Rule("--grpc-method", Takes.ONE, Verdict.SETS, "endpoint.grpc_method"),
    Rule("--proto", Takes.ONE, Verdict.SETS, "endpoint.proto"),
    Rule("--request-parameter", Takes.ONE, Verdict.SETS, "endpoint.request_parameters"),
    Rule("--model-version -x", Takes.ONE, Verdict.SETS, "endpoint.model_version"),
    Rule("--bls-composing-models", Takes.ONE, Verdict.MEANS),
    # what is sent
    Rule("--input-data", Takes.ONE, Verdict.MEANS),
    Rule("--shape", Takes.ONE, Verdict.SETS, "endpoint.tensor_shapes"),
    Rule("--data-directory", Takes.ONE, Verdict.NO_EFFECT, _NO_TENSORS),
    Rule("-z", Takes.NOTHING, Verdict.NO_EFFECT, _NO_TENSORS),
    Rule("--string-data", Takes.ONE, Verdict.NO_EFFECT, _NO_TENSORS),
    Rule("--string-length", Takes.ONE, Verdict.NO_EFFECT, _NO_TENSORS),
    Rule("--shared-memory", Takes.ONE, Verdict.NO_EFFECT, _NO_TENSORS),
    Rule("--output-shared-memory-size", Takes.ONE, Verdict.NO_EFFECT, _NO_TENSORS),
    Rule("--input-tensor-format", Takes.ONE, Verdict.NO_EFFECT, _NO_TENSORS),
    Rule("--output-tensor-format", Takes.ONE, Verdict.NO_EFFECT, _NO_TENSORS),
    Rule("--num-of-sequences", Takes.ONE, Verdict.NO_EFFECT, _NO_SEQUENCES),
    Rule("--sequence-id-range", Takes.ONE, Verdict.NO_EFFECT, _NO_SEQUENCES),
    Rule("--sequence-length", Takes.ONE, Verdict.NO_EFFECT, _NO_SEQUENCES),
    Rule("--sequence-length-variation", Takes.ONE, Verdict.NO_EFFECT, _NO_SEQUENCES),
    Rule("--serial-sequences", Takes.NOTHING, Verdict.NO_EFFECT, _NO_SEQUENCES),
    # what is reported
    Rule("-v", Takes.NOTHING, Verdict.SETS, "output.verbose"),
    Rule("--profile-export-file", Takes.ONE, Verdict.SETS, "output.profile_export_file"),
    Rule("-f", Takes.ONE, Verdict.MEANS),
    Rule("--verbose-csv", Takes.NOTHING, Verdict.MEANS),
    Rule(
        "--collect-metrics", Takes.NOTHING, Verdict.NO_EFFECT, "metrics are sampled wherever they are found"
    ),
    Rule("--metrics-url", Takes.ONE, Verdict.SETS, "telemetry.server_metrics_urls"),
    Rule(
        "--metrics-interval", Takes.ONE, Verdict.NO_EFFECT, "--telemetry-interval says how often, in seconds"
    ),
    # what only Perf Analyzer's own surroundings have
    Rule("--trace-level", Takes.ONE, Verdict.REFUSED, _SERVER_SIDE),
    Rule("--trace-rate", Takes.ONE, Verdict.REFUSED, _SERVER_SIDE),
    Rule("--trace-count", Takes.ONE, Verdict.REFUSED, _SERVER_SIDE),
    Rule("--trace-file", Takes.ONE, Verdict.REFUSED, _SERVER_SIDE),
    Rule("--log-frequency", Takes.ONE, Verdict.REFUSED, _SERVER_SIDE),
    Rule("--model-repository", Takes.ONE, Verdict.REFUSED, _SERVER_SIDE),
    Rule("--triton-server-directory", Takes.ONE, Verdict.REFUSED, _SERVER_SIDE),
    Rule("--model-signature-name", Takes.ONE, Verdict.REFUSED, "it is for TensorFlow Serving"),
    Rule("--enable-mpi", Takes.NOTHING, Verdict.REFUSED, "there is no MPI here"),
)

_RULES_BY_NAME: Mapping[str, Rule] = {rule.flags.split()[0]: rule for rule in RULES}
_FLAGS: Mapping[str, Flag] = {
    spelling: Flag(rule.flags.split()[0], rule.takes) for rule in RULES for spelling in rule.flags.split()
}


def interpret(tokens: Sequence[str], known: Layer) -> PassedThrough:
    """What the `tokens` behind `--` mean, on top of the layer `known` of all that stands before.

    UsageError for an unknown or refused flag.
    """
    passed = PassedThrough()
    arguments = read(tokens, _FLAGS, kind="Perf Analyzer option")
    if arguments.positionals:
        raise UsageError(f"unexpected argument {arguments.positionals[0]!r} after --")
    together: dict[str, str] = {}  # flags that mean something in view of each other
    for name, value in arguments.pairs:
        rule = _RULES_BY_NAME[name]
        match rule.verdict:
            case Verdict.SETS:
                _set(passed, rule.detail, name, "true" if value is None else value)
            case Verdict.NO_EFFECT:
                if rule.detail:
                    passed.warnings.append(f"{name} has no effect: {rule.detail}")
            case Verdict.REFUSED:
                raise UsageError(f"{name} is not possible: {rule.detail}")
            case Verdict.MEANS if name in _TOGETHER:
                together[name] = str(value)
            case Verdict.MEANS:
                _MEANINGS[name](passed, name, str(value))
    if any(name in _WINDOW_FLAGS for name in together):
        _interpret_windows(passed, together, known)
    passed.levels, idle = read_levels(together)
    passed.report, without_file = read_report(together)
    passed.warnings += [*idle, *without_file]
    for name in ("request_intervals", "periodic_concurrency_range") if passed.levels is not None else ():
        if other := passed.layer.get(f"load.{name}"):
            raise UsageError(f"{other.source} excludes --concurrency-range and --request-rate-range")
    key = "endpoint.headers"
    if key in passed.layer and key in known:
        # Perf Analyzer got them all, GenAI-Perf's -H first
        passed.layer[key] = Given((*known[key].texts, *passed.layer[key].texts), "-H")
    return passed


def _set(passed: PassedThrough, key: str, source: str, text: str) -> None:
    earlier = passed.layer[key].texts if key in _REPEATABLE and key in passed.layer else ()
    passed.layer[key] = Given((*earlier, text), source)


_REPEATABLE = ("endpoint.headers", "endpoint.request_parameters", "endpoint.tensor_shapes")
"""Each occurrence of their flags adds one."""


def _percentile(passed: PassedThrough, source: str, text: str) -> None:
    if text != "-1":  # Perf Analyzer's way to say: the average
        _set(passed, "load.stability_percentile", source, text)


def _batch(_passed: PassedThrough, source: str, text: str) -> None:
    if text != "1":
        raise UsageError(
            f"{source}: {text}: behind -- the batch is 1: a request is one inference",
            hint="several texts in one request are --batch-size-text, before the --, for endpoint types that "
            "take them; kserve sends one prompt in each",
        )


def _composing_models(passed: PassedThrough, source: str, text: str) -> None:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f"{source}: {text!r} is not NAME,NAME…", hint="NAME may be NAME:VERSION")
    passed.layer["endpoint.bls_composing_models"] = Given(names, source)


def _verify(key: str, levels: str) -> Callable[[PassedThrough, str, str], None]:
    def interpret_level(passed: PassedThrough, source: str, text: str) -> None:
        if text not in tuple(levels):
            raise UsageError(f"{source}: {text!r} is not one of {', '.join(levels)}")
        _set(passed, key, source, "false" if text == "0" else "true")

    return interpret_level


def _file_type(_passed: PassedThrough, source: str, text: str) -> None:
    if text.upper() != "PEM":
        raise UsageError(
            f"{source}: {text} is not possible", hint="convert the file to PEM: openssl x509 or pkey"
        )


def _input_data(passed: PassedThrough, source: str, text: str) -> None:
    if text in ready_made.MADE_UP:
        raise UsageError(
            f"{source} {text} is not possible: {_NO_TENSORS}",
            hint="leave it out for synthetic prompts, or give a file of requests",
        )
    former = passed.layer.get("input.file")
    _set(passed, "input.file", source, ready_made.joined(former.texts[-1] if former else None, text))


_MEANINGS: Mapping[str, Callable[[PassedThrough, str, str], None]] = {
    "--percentile": _percentile,
    "-b": _batch,
    "--input-data": _input_data,
    "--bls-composing-models": _composing_models,
    "--ssl-https-verify-peer": _verify("endpoint.tls_verify", "01"),
    "--ssl-https-verify-host": _verify("endpoint.tls_verify_host", "012"),
    "--ssl-https-client-certificate-type": _file_type,
    "--ssl-https-private-key-type": _file_type,
}

_WINDOW_FLAGS = (
    "--measurement-mode",
    "--measurement-interval",
    "--measurement-request-count",
    "--request-count",
)
_TOGETHER = (*_WINDOW_FLAGS, *SEARCH_FLAGS, *REPORT_FLAGS)


def _interpret_windows(passed: PassedThrough, windows: Mapping[str, str], known: Layer) -> None:
    """The stop rule, which hangs on four flags together: a count wins, then the mode, then what is given."""
    mode = windows.get("--measurement-mode")
    interval, window_requests = (
        windows.get("--measurement-interval"),
        windows.get("--measurement-request-count"),
    )
    count = windows.get("--request-count")
    if mode not in (None, "time_windows", "count_windows"):
        raise UsageError(f"--measurement-mode: {mode!r} is not one of time_windows, count_windows")
    if count is not None and not re.fullmatch("0+", count):
        used = "--request-count"
        _set(passed, "load.request_count", used, count)
    elif mode == "count_windows" or (mode is None and interval is None and window_requests is not None):
        used = "--measurement-request-count"
        if window_requests is not None or "load.measurement_request_count" not in known:
            text = window_requests or str(DEFAULT_WINDOW_REQUESTS)
            _set(passed, "load.measurement_request_count", used, text)
    else:
        used = "--measurement-interval"
        if interval is not None or "load.measurement_interval_ms" not in known:
            _set(passed, "load.measurement_interval_ms", used, interval or str(DEFAULT_INTERVAL_MS))
    for name in ("--measurement-interval", "--measurement-request-count"):
        if name in windows and name != used:
            passed.warnings.append(f"{name} has no effect beside {mode or used}")
