"""Which inputs are traces, and when they say by themselves when to send.

payload:trace.jsonl      Mooncake's form, as GenAI-Perf names it
azure:trace.csv          Azure's LLM inference traces
burstgpt:trace.csv       BurstGPT

Ready-made requests (`config/ready_made.py`) may have instants too.
"""

import json
from contextlib import suppress
from dataclasses import replace

from genai_perf.config import ready_made
from genai_perf.config.options import Layer
from genai_perf.config.schema import READY_MADE, TRACES, Config, Trace
from genai_perf.exceptions import InputError, UsageError


def with_schedule(config: Config) -> Config:
    """The config with `fixed_schedule` decided: on for a file with instants where no load is chosen.

    Off is None afterwards, like every load that is not chosen. Raises InputError where there is no such file.
    """
    inputs, load, trace = config.input, config.load, config.input.trace
    fixed = load.fixed_schedule
    if inputs.replay is not None:
        fixed = True
    if trace is not None:
        if not trace.path.is_file():
            raise InputError(f"--input-file: File not found: {trace.path}")
        if fixed is None and not load.is_chosen:
            fixed = _is_timed(trace)
    elif inputs.ready_made and fixed is None and not load.is_chosen:
        fixed = ready_made.is_timed(inputs.ready_made)
    return replace(config, load=replace(load, fixed_schedule=fixed or None))


def _is_timed(trace: Trace) -> bool:
    """Whether its first row has an instant. What cannot be read is complained about where rows are read."""
    if trace.kind != "payload":
        return True  # it is a column that they must have
    row = None
    with suppress(OSError, ValueError), trace.path.open(encoding="utf-8-sig") as file:
        row = json.loads(next((line for line in file if line.strip()), "null"))
    return isinstance(row, dict) and row.get("timestamp") is not None


def check(config: Config, given: Layer) -> None:
    """Raise UsageError for what does not go with a trace, or without one."""
    inputs, load = config.input, config.load
    if inputs.replay is not None:
        return
    if load.fixed_schedule and inputs.trace is None and not inputs.ready_made:
        raise UsageError(
            f"{given['load.fixed_schedule'].source} needs a trace",
            hint=f"--input-file {', '.join(f'{kind}:FILE' for kind in (*TRACES, READY_MADE))}",
        )
    if load.fixed_schedule and inputs.traffic_file is not None:
        raise UsageError(
            "--traffic mixes kinds of traffic under one load, a trace's own instants are none of these",
            hint="choose a load, such as --request-rate; a kind of traffic can have a trace as its input",
        )
    if "load.speed_up" in given and not load.fixed_schedule:
        raise UsageError(
            f"{given['load.speed_up'].source} needs a trace that is sent by its own instants",
            hint="--fixed-schedule; the pauses in conversations have --session-delay-ratio",
        )
    if inputs.trace is None:
        return
    for key, why in _NOT_OF_TRACES.items():
        if key in given:
            raise UsageError(f"{given[key].source}: {why}")


_NOT_OF_TRACES = {
    "input.batch_size": "a row of a trace is one text",
    "input.prefix_prompt_num": "a trace says by itself, with hash_ids, what its prompts share",
    "input.row_limit": "a trace ends by --request-count or --benchmark-duration",
}
