"""The keys of config files: where each option stands in the YAML.

GenAI-Perf's options stand where it has them (`_GENAI_PERF`), every other under its section and field in the
schema (`telemetry.interval_s`). Reading, templates and the effective config go by `LEAVES` alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from genai_perf.config.options import CHECKPOINT_OPTIONS, OPTIONS, PROCESS_OPTIONS, Option

STIMULUS = "perf_analyzer.stimulus"
"""The load: one entry, or a word alone."""
MODE, NUM = "perf_analyzer.measurement.mode", "perf_analyzer.measurement.num"
"""What ends a run: so many requests, or stable windows of so many ms."""
MEASUREMENTS = {"request_count": "load.request_count", "interval": "load.measurement_interval_ms"}
"""By mode, the option that `num` sets."""
BINARY = "perf_analyzer.path"
"""Where GenAI-Perf finds Perf Analyzer; there is none here."""
ANALYZE = "analyze"
SWEEP = "sweep_parameters"
"""What early templates put around the parameters of a sweep."""

ALIASES: Mapping[str, str] = {
    "model_name": "model_names",
    "checkpoint_directory": "output.checkpoint_directory",
    "endpoint.server_metrics_url": "endpoint.server_metrics_urls",
    "perf_analyzer.request_count.num": "load.request_count",
    "perf_analyzer.request_count.warmup": "perf_analyzer.warmup_request_count",
    "perf_analyzer.measurement_interval": "load.measurement_interval_ms",
}
"""Other spellings of GenAI-Perf, and keys of its early templates."""

UNSAID: Mapping[str, tuple[str, ...]] = {
    "endpoint.server_metrics_url": ("http://localhost:9400/metrics", "http://localhost:8002/metrics"),
    "endpoint.server_metrics_urls": ("http://localhost:9400/metrics", "http://localhost:8002/metrics"),
    "perf_analyzer.measurement_interval": ("10000",),
    "output.checkpoint_directory": ("checkpoint",),
}
"""What GenAI-Perf's templates say where nobody has chosen, as plain words: it counts as not given. (These
pages are looked for and that directory is taken anyway; the interval stood beside a request count.)"""

_GENAI_PERF: Mapping[str, str] = {
    "endpoint.model_names": "model_names",
    "endpoint.model_selection_strategy": "endpoint.model_selection_strategy",
    "endpoint.backend": "endpoint.backend",
    "endpoint.path": "endpoint.custom",
    "endpoint.type": "endpoint.type",
    "endpoint.streaming": "endpoint.streaming",
    "telemetry.server_metrics_urls": "endpoint.server_metrics_urls",
    "endpoint.urls": "endpoint.url",
    "endpoint.grpc_method": "endpoint.grpc_method",
    "output.verbose": "perf_analyzer.verbose",
    "load.concurrency": f"{STIMULUS}.concurrency",
    "load.request_rate": f"{STIMULUS}.request_rate",
    "load.session_concurrency": f"{STIMULUS}.session_concurrency",
    "load.session_rate": f"{STIMULUS}.session_request_rate",
    "load.fixed_schedule": f"{STIMULUS}.fixed_schedule",
    "load.request_intervals": f"{STIMULUS}.request_intervals",
    "load.request_rate_schedule": f"{STIMULUS}.request_rate_schedule",
    "load.concurrency_schedule": f"{STIMULUS}.concurrency_schedule",
    "load.periodic_concurrency_range": f"{STIMULUS}.periodic_concurrency_range",
    "load.stability_percentage": "perf_analyzer.stability_percentage",
    "load.warmup_request_count": "perf_analyzer.warmup_request_count",
    "input.batch_size": "input.batch_size",
    "input.extra": "input.extra",
    "metrics.goodput": "input.goodput",
    "endpoint.headers": "input.header",
    "input.file": "input.file",
    "input.num_dataset_entries": "input.num_dataset_entries",
    "input.random_seed": "input.random_seed",
    "audio.batch_size": "input.audio.batch_size",
    "audio.format": "input.audio.format",
    "audio.depths": "input.audio.depths",
    "audio.sample_rates_khz": "input.audio.sample_rates",
    "audio.num_channels": "input.audio.num_channels",
    "audio.length_mean_s": "input.audio.length.mean",
    "audio.length_stddev_s": "input.audio.length.stddev",
    "image.batch_size": "input.image.batch_size",
    "image.format": "input.image.format",
    "image.width_mean": "input.image.width.mean",
    "image.width_stddev": "input.image.width.stddev",
    "image.height_mean": "input.image.height.mean",
    "image.height_stddev": "input.image.height.stddev",
    "input.output_tokens_mean": "input.output_tokens.mean",
    "input.output_tokens_deterministic": "input.output_tokens.deterministic",
    "input.output_tokens_stddev": "input.output_tokens.stddev",
    "input.synthetic_tokens_mean": "input.synthetic_tokens.mean",
    "input.synthetic_tokens_stddev": "input.synthetic_tokens.stddev",
    "input.prefix_prompt_num": "input.prefix_prompt.num",
    "input.prefix_prompt_length": "input.prefix_prompt.length",
    "input.num_sessions": "input.sessions.num",
    "input.session_turns_mean": "input.sessions.turns.mean",
    "input.session_turns_stddev": "input.sessions.turns.stddev",
    "input.session_turn_delay_mean": "input.sessions.turn_delay.mean",
    "input.session_delay_ratio": "input.sessions.turn_delay.ratio",
    "input.session_turn_delay_stddev": "input.sessions.turn_delay.stddev",
    "output.artifact_dir": "output.artifact_directory",
    "checkpoint.checkpoint_dir": "output.checkpoint_directory",
    "output.profile_export_file": "output.profile_export_file",
    "output.generate_plots": "output.generate_plots",
    "checkpoint.enable_checkpointing": "output.enable_checkpointing",
    "tokenizer.name": "tokenizer.name",
    "tokenizer.revision": "tokenizer.revision",
    "tokenizer.trust_remote_code": "tokenizer.trust_remote_code",
    "process.input_path": "process.input_path",
}
"""By option, in the order of GenAI-Perf's templates."""

ALL_OPTIONS: Mapping[str, Option] = {**OPTIONS, **CHECKPOINT_OPTIONS, **PROCESS_OPTIONS}
"""Every option that a config file can set; those of a sweep have a form of their own there."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One key of a config file, with what it sets."""

    path: str
    """With the sections around it: `input.output_tokens.mean`."""
    option: Option | None
    """None for the few that set several, or nothing."""
    is_ours: bool = False
    """Whether GenAI-Perf does not know it."""

    @property
    def is_load(self) -> bool:
        """Whether it is one of the entries of which `stimulus` has one."""
        return self.path.startswith(f"{STIMULUS}.")


def _leaves() -> Iterator[Leaf]:
    for key, path in _GENAI_PERF.items():
        if key == "output.verbose":
            yield Leaf(BINARY, None)
        if key in ALL_OPTIONS:
            yield Leaf(path, ALL_OPTIONS[key])
        if key == "load.warmup_request_count":
            yield Leaf(MODE, None)
            yield Leaf(NUM, None)
    for key, option in ALL_OPTIONS.items():
        if key not in _GENAI_PERF and key not in MEASUREMENTS.values():
            yield Leaf(key, option, is_ours=True)


LEAVES: Mapping[str, Leaf] = {leaf.path: leaf for leaf in _leaves()}
"""Every key, GenAI-Perf's first."""

PATHS: Mapping[str, str] = {
    **{leaf.option.key: leaf.path for leaf in LEAVES.values() if leaf.option is not None},
    **dict.fromkeys(MEASUREMENTS.values(), NUM),
}
"""The key of each option."""
