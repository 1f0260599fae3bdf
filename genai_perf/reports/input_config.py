"""The run's configuration as GenAI-Perf's JSON shows it: its sections and names, unset values as `""`.

What GenAI-Perf has and this program does not, or not in a run's config (sweeps, checkpoints), is unset.
"""

from dataclasses import fields
from typing import Any

from genai_perf.config import gap_words
from genai_perf.config.gap_words import OUTPUT_FORMATS
from genai_perf.config.schema import Config, EndpointConfig, LoadConfig
from genai_perf.reports import Result


def input_config(result: Result) -> dict[str, Any]:
    """The `input_config` block."""
    option = result.option
    unset = ""
    config = Config(endpoint=EndpointConfig(type=result.info.endpoint))
    backend = option("endpoint", "backend", "tensorrtllm") if result.info.endpoint == "kserve" else unset
    model_names = list(option("endpoint", "model_names", ()))
    shown: dict[str, Any] = _shown(
        {
            "model_names": model_names,
            "subcommand": "process" if result.info.merged else "profile",
            "verbose": option("output", "verbose", False),
            "template_filename": unset,
            "analyze": {"sweep_parameters": unset},
            "endpoint": {
                "model_selection_strategy": option("endpoint", "model_selection_strategy"),
                "backend": backend,
                "custom": option("endpoint", "path"),
                "type": result.info.endpoint,
                "streaming": result.info.streaming,
                "server_metrics_urls": [
                    *option("telemetry", "server_metrics_urls", ()),
                    *option("telemetry", "gpu_urls", ()),
                ],
                "url": ",".join(option("endpoint", "urls") or config.urls),
                "grpc_method": option("endpoint", "grpc_method"),
                "service_kind": config.service_kind,
                "output_format": backend or OUTPUT_FORMATS.get(result.info.endpoint, result.info.endpoint),
            },
            "perf_analyzer": {
                "path": unset,
                "verbose": option("output", "verbose", False),
                "stimulus": stimulus(result),
                "stability_percentage": option("load", "stability_percentage"),
                "warmup_request_count": option("load", "warmup_request_count"),
                "measurement": _measurement(result),
            },
            "input": {
                "batch_size": option("input", "batch_size"),
                "extra": option("input", "extra"),
                "goodput": option("metrics", "goodput"),
                "header": option("endpoint", "headers"),
                "file": option("input", "file"),
                "num_dataset_entries": option("input", "num_dataset_entries"),
                "random_seed": option("input", "random_seed"),
                "audio": {
                    "batch_size": option("audio", "batch_size"),
                    "length": {
                        "mean": option("audio", "length_mean_s"),
                        "stddev": option("audio", "length_stddev_s"),
                    },
                    "format": option("audio", "format"),
                    "depths": option("audio", "depths"),
                    "sample_rates": option("audio", "sample_rates_khz"),
                    "num_channels": option("audio", "num_channels"),
                },
                "image": {
                    "width": {
                        "mean": option("image", "width_mean"),
                        "stddev": option("image", "width_stddev"),
                    },
                    "height": {
                        "mean": option("image", "height_mean"),
                        "stddev": option("image", "height_stddev"),
                    },
                    "batch_size": option("image", "batch_size"),
                    "format": option("image", "format"),
                },
                "output_tokens": {
                    "mean": option("input", "output_tokens_mean"),
                    "deterministic": option("input", "output_tokens_deterministic"),
                    "stddev": option("input", "output_tokens_stddev"),
                },
                "synthetic_tokens": {
                    "mean": option("input", "synthetic_tokens_mean"),
                    "stddev": option("input", "synthetic_tokens_stddev"),
                },
                "prefix_prompt": {
                    "num": option("input", "prefix_prompt_num"),
                    "length": option("input", "prefix_prompt_length"),
                },
                "sessions": {
                    "num": option("input", "num_sessions", 0),
                    "turns": {
                        "mean": option("input", "session_turns_mean", 1),
                        "stddev": option("input", "session_turns_stddev", 0),
                    },
                    "turn_delay": {
                        "mean": option("input", "session_turn_delay_mean", 0),
                        "ratio": option("input", "session_delay_ratio", 1.0),
                        "stddev": option("input", "session_turn_delay_stddev", 0),
                    },
                },
                "prompt_source": "file" if option("input", "file") else "synthetic",
                "synthetic_files": unset,
                "payload_file": unset,
            },
            "output": {
                "artifact_directory": option("output", "artifact_dir"),
                "checkpoint_directory": unset,
                "profile_export_file": result.raw_name,
                "generate_plots": option("output", "generate_plots", False),
                "enable_checkpointing": False,
            },
            "tokenizer": {
                "name": option("tokenizer", "name") or next(iter(model_names), unset),
                "revision": option("tokenizer", "revision"),
                "trust_remote_code": option("tokenizer", "trust_remote_code"),
                "_enable_debug_logging": False,
            },
            "process": {"input_path": result.info.merged.get("input", unset)},
        }
    )
    return shown


def stimulus(result: Result) -> dict[str, Any]:
    """The load: what was held constant and at which level, or the file that says how it changes."""
    option, value = gap_words.stimulus(result.info.config.get("load", {}))
    return {"session_request_rate" if option == "session_rate" else option: value}


def _measurement(result: Result) -> dict[str, Any]:
    interval_ms = result.option("load", "measurement_interval_ms")
    if interval_ms is not None:
        return {"mode": "interval", "num": interval_ms}
    known = {row.name for row in fields(LoadConfig)}
    given = {name: value for name, value in result.info.config.get("load", {}).items() if name in known}
    return {"mode": "request_count", "num": Config(load=LoadConfig(**given)).request_count}


def _shown(value: Any) -> Any:
    if isinstance(value, dict) and value:
        return {name: _shown(entry) for name, entry in value.items()}
    return "" if value in (None, [], {}) else value
