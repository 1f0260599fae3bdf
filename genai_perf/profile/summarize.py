"""A run's figures, from the journal it left."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf import endpoints
from genai_perf.config.schema import OPEN_LOADS, MetricsConfig, TokenizerConfig
from genai_perf.config.urls import EMBEDDED
from genai_perf.config.values import parse_periodic_range
from genai_perf.profile.directory import JOURNAL, read_end
from genai_perf.types import RunEnd, RunInfo, Stats, Summary

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.metrics.batches import BatchSummary
    from genai_perf.metrics.columns import Columns
    from genai_perf.reports import Result
    from genai_perf.telemetry.gpu import GPUs
    from genai_perf.telemetry.server_metrics import ServerMetrics
    from genai_perf.telemetry.store import Telemetry
    from genai_perf.telemetry.stretches import Sampled
    from genai_perf.workload.tokenizer import Tokenizer


def summarize(
    directory: Path,
    *,
    metrics: MetricsConfig | None = None,
    tokenizer: TokenizerConfig | None = None,
    counter: "Tokenizer | None" = None,
) -> "Result":
    """A run's figures, from the journal it left. `counter` is the run's tokenizer, where it is loaded.

    Raises ArtifactError, UsageError and TokenizerError.
    """
    from genai_perf.engine import journal
    from genai_perf.metrics.classes import by_class
    from genai_perf.metrics.compute import of_columns
    from genai_perf.metrics.goodput import check_goodput
    from genai_perf.metrics.histories import count_inputs, has_histories
    from genai_perf.metrics.reading import read_columns
    from genai_perf.reports import Result
    from genai_perf.telemetry import gpu, store
    from genai_perf.workload import inputs_file

    info, records = journal.read(directory / JOURNAL)
    sent = records
    config = info.config
    end = read_end(directory)
    endpoint = endpoints.get(info.endpoint, config["endpoint"].get("backend"))
    settings = _metrics_settings(config["metrics"], metrics)
    check_goodput(
        settings.goodput,
        streaming=info.streaming,
        produces_tokens=endpoint.produces_tokens,
        open_loop=any(config["load"].get(name) is not None for name in OPEN_LOADS),
        per_image=not endpoint.takes_text,
    )
    if counter is None and info.tokenizer:
        counter = load_tokenizer(tokenizer or _tokenizer_of(info), config["endpoint"]["model_names"][0])
    input_tokens = None
    if counter is not None and has_histories(records, config):
        rows = list(inputs_file.bodies(directory / inputs_file.NAME))
        sent = records = count_inputs(records, rows, endpoint, counter.count)
    elif tokenizer is not None and counter is not None and endpoint.render is None:
        bodies = inputs_file.bodies(directory / inputs_file.NAME)
        input_tokens = list(endpoints.count_prompts(endpoint, bodies, counter.count))
    if tokenizer is not None and counter is not None:
        info = replace(info, tokenizer=counter.info())
    records = measured(records, end)
    columns = read_columns(
        records,
        count=counter.count if counter is not None and endpoint.produces_tokens else None,
        input_tokens=input_tokens,
        use_server_token_count=settings.use_server_token_count,
        slos=settings.goodput,
        per_image=not endpoint.takes_text,
    )
    summary = of_columns(columns, info, end, settings=settings, produces_tokens=endpoint.produces_tokens)
    if info.merged:
        summary = _of_merged(summary, info.merged)
    telemetry = store.read(directory)
    sampled = _stretches(telemetry, info, columns, sent) if telemetry is not None else []
    gpus = _gpus(sampled, columns)
    server = _server(sampled, sent, summary, _models(config), _own_places(info))
    for beside in (gpus, server):
        if beside is not None:
            summary = replace(summary, notes=(*summary.notes, *beside.notes))
    silent = gpu.unanswered(store.all_health(each.telemetry for each in sampled))
    summary = replace(summary, notes=(*summary.notes, *silent))
    return Result(
        info=replace(info, config={**config, "metrics": asdict(settings)}),
        end=end,
        records=records,
        summary=summary,
        endpoint_path=endpoints.path_of(
            endpoint,
            given=config["endpoint"].get("grpc_method") or config["endpoint"]["path"],
            model=config["endpoint"]["model_names"][0],
            streaming=info.streaming,
        ),
        title=endpoint.title,
        produces_tokens=endpoint.produces_tokens,
        columns=columns,
        batches=tuple(_batches(info, columns, records, summary)),
        classes=tuple(by_class(columns, records, config.get("traffic", {}))),
        gpus=gpus,
        server=server,
    )


def _of_merged(summary: Summary, merged: Mapping[str, Any]) -> Summary:
    """With the notes of the merging, and without bounds where other programs took the stamps."""
    summary = replace(summary, notes=(*merged["notes"], *summary.notes))
    if merged["has_bounds"]:
        return summary
    metrics = {
        tag: replace(figure, uncertainty=None) if isinstance(figure, Stats) else figure
        for tag, figure in summary.metrics.items()
    }
    return replace(summary, metrics=metrics, exactness={})


def _batches(
    info: RunInfo, columns: "Columns", records: "pa.Table", summary: Summary
) -> "Iterable[BatchSummary]":
    """Those of a periodic concurrency; none of merged runs, whose requests are numbered anew."""
    from genai_perf.metrics.batches import by_batch

    text = info.config["load"].get("periodic_concurrency_range")
    if text is None or info.merged:
        return ()
    return by_batch(columns, records, parse_periodic_range(text, "run.json"), list(summary.metrics))


def _stretches(
    telemetry: "Telemetry", info: RunInfo, columns: "Columns", sent: "pa.Table"
) -> "Sequence[Sampled]":
    """What was sampled beside the run; of several that were merged, beside each time in which they measured.

    GPUs count for the time that every throughput is by.
    """
    from genai_perf.metrics.sampled import Stretch
    from genai_perf.telemetry import stretches
    from genai_perf.telemetry.ours import window

    if info.merged:
        return stretches.apart(telemetry, info.merged["stretches"])
    between = window(sent)
    if between is None:
        return []
    measured = Stretch(0, 0)
    if len(columns):
        measured = Stretch(int(columns.start_ns.min()), int(columns.last_ns.max()))
    return [stretches.Sampled(telemetry, measured, between)]


def _gpus(sampled: "Sequence[Sampled]", columns: "Columns") -> "GPUs | None":
    """What the GPUs did; None where nobody sampled them, or no request was answered."""
    from genai_perf.telemetry import gpu

    return gpu.read_all([(each.telemetry, each.measured) for each in sampled]) if len(columns) else None


def _models(config: Mapping[str, Any]) -> list[str]:
    """Every model that was asked, those of the kinds of traffic too."""
    asked = [config["endpoint"], *config.get("traffic", {}).values()]
    return list(dict.fromkeys(name for each in asked for name in each["model_names"]))


def _own_places(info: RunInfo) -> set[str]:
    """Where the endpoint's own servers have their metrics."""
    from genai_perf.telemetry import server_pages

    endpoint = info.config["endpoint"]
    is_triton = endpoints.get(info.endpoint, endpoint.get("backend")).is_triton
    urls = [url for url in endpoint["urls"] or ("localhost:8000",) if url != EMBEDDED]
    return server_pages.own_places(urls, is_triton=is_triton)


def _server(
    sampled: "Sequence[Sampled]",
    sent: "pa.Table",
    summary: Summary,
    model_names: Sequence[str],
    own_places: set[str],
) -> "ServerMetrics | None":
    """What the server says of the requests that were sent; None where nobody asked it."""
    from genai_perf.telemetry import server_metrics
    from genai_perf.telemetry.ours import counted

    if not sampled:
        return None
    stretches = [(each.telemetry, each.sent) for each in sampled]
    return server_metrics.read_all(stretches, counted(sent, summary), model_names, own_places)


def load_tokenizer(settings: TokenizerConfig, model_name: str) -> "Tokenizer":
    """The tokenizer that the options name, or the model's. Raises TokenizerError."""
    from genai_perf.workload import tokenizer

    return tokenizer.load(settings, model_name)


def _metrics_settings(recorded: Mapping[str, Any], given: MetricsConfig | None) -> MetricsConfig:
    settings = MetricsConfig(**recorded)
    if given is None:
        return settings
    return MetricsConfig(
        goodput=given.goodput or settings.goodput,
        use_server_token_count=given.use_server_token_count or settings.use_server_token_count,
    )


def _tokenizer_of(info: RunInfo) -> TokenizerConfig:
    """The run's own; a name that fell back to the built-in one then must count the same now."""
    if info.tokenizer["kind"] == "builtin":
        return TokenizerConfig(name="builtin")
    return TokenizerConfig(**info.config["tokenizer"])


def measured(records: "pa.Table", end: RunEnd | None) -> "pa.Table":
    """The records without those that ended after the last measurement window; the journal keeps them."""
    if end is None or not end.windows:
        return records
    import numpy as np

    from genai_perf.metrics import arrow

    ends_ns = np.concatenate([arrow.numbers(chunk) for chunk in records["end_ns"].chunks])
    return arrow.take(records, np.flatnonzero(ends_ns <= end.windows[-1].end_ns))
