"""What every report says of the GPUs, where they were sampled: GenAI-Perf's sections, and ours.

GenAI-Perf's are the last two tables of the CSV, `telemetry_stats` of the JSON and the table of `--verbose`.
Ours is the line under the console's table, and `gpus` of the JSON: which GPUs, all of them together, and what
their energy was spent on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.gpu import GPU_CATALOG, GPUMetric, Kind, cell
from genai_perf.types import Stats, Summary

if TYPE_CHECKING:
    from rich.table import Table

    from genai_perf.telemetry.gpu import GPUs

_SHOWN = (
    "gpu_power_usage",
    "gpu_power_limit",
    "energy_consumption",
    "gpu_memory_used",
    "total_gpu_memory",
    "gpu_utilization",
    "sm_utilization",
    "gpu_temperature",
)
"""In the console; all are in the files."""


# -- CSV --------------------------------------------------------------------------------------------------


def csv_rows(gpus: GPUs, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """GenAI-Perf's two tables of the CSV, and a third where there are several; each after an empty row."""
    spread = [metric for metric in GPU_CATALOG.values() if not metric.is_constant]
    constant = [metric for metric in GPU_CATALOG.values() if metric.is_constant]
    yield []
    yield ["Metric", "GPU", *columns]
    for metric in spread:
        for gpu in gpus.gpus:
            if stats := gpu.figures.get(metric.tag):
                figures = statistics(stats)
                cells = [_cell(metric.unit, figures[column]) for column in columns]
                yield [_heading(metric), gpu.id, *cells]
    yield []
    yield ["Metric", "GPU", "Value"]
    for metric in constant:
        for gpu in gpus.gpus:
            if stats := gpu.figures.get(metric.tag):
                yield [_heading(metric), gpu.id, _cell(metric.unit, stats.avg).replace(",", "")]
    if len(gpus.gpus) > 1:
        yield []
        yield ["Metric", "All GPUs", *columns]
        for tag, stats in gpus.total.items():
            metric, figures = GPU_CATALOG[tag], statistics(stats)
            yield [
                _heading(metric),
                str(metric.together),
                *(_cell(metric.unit, figures[column]) for column in columns),
            ]


def _heading(metric: GPUMetric, unit: Unit | None = None) -> str:
    return f"{metric.title} ({(unit or metric.unit).label})"


def _cell(unit: Unit, amount: float) -> str:
    return cell(unit, unit.of(amount))


def statistics(stats: Stats) -> dict[str, float]:
    """Every statistic by its name in the reports."""
    return {"avg": stats.avg, **stats.percentiles, "min": stats.min, "max": stats.max, "std": stats.std}


# -- JSON -------------------------------------------------------------------------------------------------


def telemetry_stats(gpus: GPUs) -> dict[str, Any]:
    """GenAI-Perf's block: by metric its unit, and the statistics of each GPU."""
    return {
        tag: {
            "unit": metric.unit.label,
            **{gpu.id: _figures(metric, gpu.figures[tag]) for gpu in gpus.gpus if tag in gpu.figures},
        }
        for tag, metric in GPU_CATALOG.items()
        if any(tag in gpu.figures for gpu in gpus.gpus)
    }


def details(gpus: GPUs, summary: Summary) -> dict[str, Any]:
    """Ours."""
    return {
        "devices": [
            {
                "id": gpu.id,
                "name": gpu.model,
                "uuid": gpu.uuid,
                "host": gpu.host,
                "source": gpu.source,
                "covered": gpu.covered,
            }
            for gpu in gpus.gpus
        ],
        "together": {
            tag: {
                "unit": GPU_CATALOG[tag].unit.label,
                "how": str(GPU_CATALOG[tag].together),
                **_figures(GPU_CATALOG[tag], stats),
            }
            for tag, stats in gpus.total.items()
        },
        "efficiency": {
            name: {"unit": unit, "avg": value} for name, (unit, value) in gpus.efficiency(summary).items()
        },
        "measured_s": gpus.duration_s,
        "sources": {name: asdict(health) for name, health in gpus.sources.items()},
    }


def _figures(metric: GPUMetric, stats: Stats) -> dict[str, float]:
    if metric.is_constant:
        return {"avg": metric.unit.of(stats.avg)}
    figures = {name: metric.unit.of(amount) for name, amount in statistics(stats).items()}
    finest = figures.pop("p99.9")
    return {**figures, "p99.9": finest, "count": stats.count}


# -- console ----------------------------------------------------------------------------------------------


def line(gpus: GPUs, summary: Summary) -> str:
    """`GPUs: 2 x NVIDIA H100: 712.4 W, 87.0 % utilization on average; 21,372 J, 0.334 J per output token`."""
    models = list(dict.fromkeys(gpu.model for gpu in gpus.gpus if gpu.model))
    text = f"GPUs: {gpus.boards} x {models[0]}" if len(models) == 1 else f"GPUs: {gpus.boards}"
    efficiency = {name: value for name, (_, value) in gpus.efficiency(summary).items()}
    averages = []
    power = gpus.total.get("gpu_power_usage")
    watts = efficiency.get("average_power", power.avg if power else None)
    if watts is not None:
        averages.append(f"{watts:,.1f} W")
    if busy := gpus.total.get("gpu_utilization"):
        averages.append(f"{busy.avg:,.1f} % utilization")
    if averages:
        text += f": {', '.join(averages)} on average"
    spent = []
    if "energy" in efficiency:
        spent.append(f"{_rounded(efficiency['energy'])} J")
    for name, per in (("energy_per_output_token", "output token"), ("energy_per_request", "request")):
        if name in efficiency:
            spent.append(f"{_rounded(efficiency[name])} J per {per}")
            break
    return text + (f"; {', '.join(spent)}" if spent else "")


def _rounded(value: float) -> str:
    """Three digits, more before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(gpus: GPUs, columns: tuple[str, ...], width: int) -> Table:
    """Each of the main metrics for every GPU, and for all together.

    Where the console is too narrow for all, the last columns are left out rather than words cut.
    """
    from rich.table import Table

    sections = [section for tag in _SHOWN if (section := list(_section(gpus, GPU_CATALOG[tag], columns)))]
    kept = _fit([row for section in sections for row in section], columns, width)
    left_out = columns[kept:]
    table = Table(
        title="GenAI-Perf | GPU Telemetry",
        caption=f"no room for {' and '.join(left_out)}; the files have all" if left_out else None,
    )
    table.add_column("Statistic", justify="right", style="cyan")
    table.add_column("GPU", justify="right", style="cyan", no_wrap=True)
    for column in columns[:kept]:
        table.add_column(column, justify="right", style="green", no_wrap=True)
    for section in sections:
        for heading, name, cells in section:
            table.add_row(heading, name, *cells[:kept])
        table.add_section()
    return table


_Row = tuple[str, str, list[str]]


def _section(gpus: GPUs, metric: GPUMetric, columns: tuple[str, ...]) -> Iterator[_Row]:
    """One metric's rows: its heading in the first, whose they are, their cells."""
    rows = [(gpu.id, gpu.figures[metric.tag]) for gpu in gpus.gpus if metric.tag in gpu.figures]
    if len(rows) > 1 and metric.tag in gpus.total:
        rows.append((f"all ({metric.together})", gpus.total[metric.tag]))
    # a run uses kilojoules, and nobody reads those in MJ
    unit = Unit.JOULES if metric.unit is Unit.MEGAJOULES else metric.unit
    for place, (name, stats) in enumerate(rows):
        figures = {"avg": stats.avg} if _is_one_number(metric) else statistics(stats)
        cells = [_cell(unit, figures[column]) if column in figures else "N/A" for column in columns]
        yield "" if place else _heading(metric, unit), name, cells


def _fit(rows: list[_Row], columns: tuple[str, ...], width: int) -> int:
    """For how many columns there is room beside the longest word and the longest name; at least one."""
    words = [word for heading, _, _ in rows for word in heading.split()]
    left = width - 1 - max(map(len, [*words, "Statistic"])) - 3 - max(len(name) for _, name, _ in rows) - 3
    for place, column in enumerate(columns):
        left -= max(len(column), *(len(cells[place]) for _, _, cells in rows)) + 3
        if left < 0:
            return max(1, place)
    return len(columns)


def _is_one_number(metric: GPUMetric) -> bool:
    return metric.kind in (Kind.CONSTANT, Kind.GROWTH)
