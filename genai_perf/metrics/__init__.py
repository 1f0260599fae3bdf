"""From the journal's columns to a `Summary`.

`catalog` is the table of all metrics: what each is called, counted in and made of; `gpu` that of GPUs, and
`names` gives both typed names, which are exported here (`from genai_perf.metrics import TTFT`). `reading`
brings the journal into numpy `columns`, `stats` aggregates one metric, `exactness` tells how far the figures
can be trusted, `notes` what else a reader must know, and `compute` makes the summary of it all. No I/O, no
clock; numpy and pyarrow load when a summary is computed, not when the tables are read.
"""

from genai_perf.metrics.names import (
    ENERGY_CONSUMPTION,
    ERROR_COUNT,
    ERROR_RATE,
    GPU_MEMORY_USED,
    GPU_POWER_USAGE,
    GPU_UTILIZATION,
    INPUT_SEQUENCE_LENGTH,
    INTER_CHUNK_LATENCY,
    INTER_TOKEN_LATENCY,
    ISL,
    ITL,
    OSL,
    OUTPUT_SEQUENCE_LENGTH,
    OUTPUT_TOKEN_THROUGHPUT,
    OUTPUT_TOKEN_THROUGHPUT_PER_USER,
    REQUEST_COUNT,
    REQUEST_GOODPUT,
    REQUEST_LATENCY,
    REQUEST_LATENCY_FROM_DUE,
    REQUEST_THROUGHPUT,
    SEND_LATENESS,
    TIME_TO_FIRST_TOKEN,
    TIME_TO_FIRST_TOKEN_FROM_DUE,
    TIME_TO_SECOND_TOKEN,
    TTFT,
    TTST,
    Figure,
    Figures,
    figure,
    figures,
)

__all__ = [
    "ENERGY_CONSUMPTION",
    "ERROR_COUNT",
    "ERROR_RATE",
    "GPU_MEMORY_USED",
    "GPU_POWER_USAGE",
    "GPU_UTILIZATION",
    "INPUT_SEQUENCE_LENGTH",
    "INTER_CHUNK_LATENCY",
    "INTER_TOKEN_LATENCY",
    "ISL",
    "ITL",
    "OSL",
    "OUTPUT_SEQUENCE_LENGTH",
    "OUTPUT_TOKEN_THROUGHPUT",
    "OUTPUT_TOKEN_THROUGHPUT_PER_USER",
    "REQUEST_COUNT",
    "REQUEST_GOODPUT",
    "REQUEST_LATENCY",
    "REQUEST_LATENCY_FROM_DUE",
    "REQUEST_THROUGHPUT",
    "SEND_LATENESS",
    "TIME_TO_FIRST_TOKEN",
    "TIME_TO_FIRST_TOKEN_FROM_DUE",
    "TIME_TO_SECOND_TOKEN",
    "TTFT",
    "TTST",
    "Figure",
    "Figures",
    "figure",
    "figures",
]
