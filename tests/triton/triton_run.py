"""A run against Triton, as a user types it.

The commands run in this process: to start a Python for each would take most of the time.
"""

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from made_run import MadeRun

from genai_perf.cli import main

Measure = Callable[..., MadeRun]
"""The fixture: `measure("-m", "vllm_like", …)`."""

VLLM = ("--service-kind", "triton", "--backend", "vllm")
TENSORRTLLM = ("--service-kind", "triton", "--backend", "tensorrtllm")
GENERATE = ("--endpoint-type", "generate")

TOKENS, REQUESTS, WARMUP = 12, 24, 3
WORKLOAD = ("--isl", "20", "--osl", str(TOKENS), "--num-prompts", "5")
LOAD = ("--concurrency", "4", "--request-count", str(REQUESTS), "--warmup-request-count", str(WARMUP))


def genai_perf(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    with redirect_stdout(io.StringIO()) as stdout, redirect_stderr(io.StringIO()) as stderr:
        code = main(arguments)
    return code, stdout.getvalue(), stderr.getvalue()


def profile(artifacts: Path, *options: str) -> MadeRun:
    """`genai-perf profile`, with the tokenizer that needs no network; a model that died is not waited for."""
    limit = ("--request-timeout", "60")
    where = ("--tokenizer", "builtin", "--artifact-dir", str(artifacts))
    return MadeRun(*genai_perf("profile", *where, *limit, *options), artifacts)
