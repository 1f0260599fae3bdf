"""`<stem>_genai_perf.csv`: GenAI-Perf's, byte for byte.

Scripts that read it split it at the blank lines and know its rows by name, so what is ours (latency from
due time, p99.9, errors, uncertainty) is not in here; the JSON has it. Only what Triton's models did stands
under GenAI-Perf's sections, in one of its own.
"""

import csv
import io
from pathlib import Path

from genai_perf.metrics.catalog import CATALOG, Metric, Needs, Shown, available
from genai_perf.reports import Result, gpus, models
from genai_perf.reports.files import whole_file
from genai_perf.types import Stats

COLUMNS = ("avg", "min", "max", "p99", "p95", "p90", "p75", "p50", "p25", "p10", "p5", "p1")


def write(result: Result, directory: Path) -> Path:
    """Writes the file and gives its path; ArtifactError when that fails."""
    path = directory / f"{result.report_stem}.csv"
    with whole_file(path) as file:
        file.write(render(result).encode())
    return path


def render(result: Result) -> str:
    """The text of the file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    metrics = [metric for metric in CATALOG.values() if shown(metric, result)]
    writer.writerow(["Metric", *COLUMNS])
    for metric in metrics:
        if metric.per == "request":
            writer.writerow([metric.heading, *(cell(result, metric, column) for column in COLUMNS)])
    writer.writerow([])
    writer.writerow(["Metric", "Value"])
    for metric in metrics:
        if metric.per == "run":
            writer.writerow([metric.heading, cell(result, metric, "avg")])
    if result.gpus is not None:
        writer.writerows(gpus.csv_rows(result.gpus, COLUMNS))
    if served := models.of(result):
        writer.writerows(models.csv_rows(served))
    return text.getvalue()


def shown(metric: Metric, result: Result) -> bool:
    """Whether a metric is one of GenAI-Perf's rows for a run like this."""
    if metric.tag == "request_goodput" and not result.option("metrics", "goodput"):
        return False
    if Needs.IMAGES in metric.needs and metric.tag not in result.summary.metrics:
        return False
    return metric.shown is Shown.TABLE and available(
        metric, streaming=result.info.streaming, produces_tokens=result.produces_tokens
    )


def cell(result: Result, metric: Metric, column: str) -> str:
    """One statistic as GenAI-Perf prints it; a metric of the whole run has an average alone."""
    figure = result.summary.metrics.get(metric.tag)
    by_column = statistics(figure) if isinstance(figure, Stats) else {"avg": figure}
    amount = by_column.get(column)
    return "N/A" if amount is None else f"{metric.unit.of(amount):,.2f}"


def statistics(stats: Stats) -> dict[str, float]:
    """Every statistic by its name in the reports, in the order of GenAI-Perf's JSON, then ours."""
    percentiles = dict(stats.percentiles)
    ours = {"p99.9": percentiles.pop("p99.9")}
    return {"avg": stats.avg, **percentiles, "min": stats.min, "max": stats.max, "std": stats.std, **ours}
