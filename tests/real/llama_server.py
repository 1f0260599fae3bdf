"""llama.cpp's own HTTP server, from the `xllamacpp` package, as a process: `python llama_server.py GGUF …`.

It says `READY URL` once it listens and stops at SIGTERM. `running` starts one and waits for that.
"""

import argparse
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import tiny_llama

SLOTS = 4
SLOT_CONTEXT = 1024
"""Tokens of prompt and answer that fit into one slot."""
READY_LIMIT_S = 60.0
"""Usually a fifth of a second; a busy machine is no error."""


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """One that runs."""

    url: str
    log: Path

    def counted(self, metric: str) -> float:
        """A figure of its own `/metrics`, e.g. `tokens_predicted_total`."""
        text = httpx.get(f"{self.url}/metrics").raise_for_status().text
        return float(
            next(line for line in text.splitlines() if line.startswith(f"llamacpp:{metric} ")).split()[1]
        )


@contextmanager
def running(model: Path, log: Path, *options: str) -> Iterator[LlamaServer]:
    """A server for that model until the end of the block; what it says goes to `log`."""
    command = [sys.executable, __file__, str(model), *options]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr) as process,
    ):
        try:
            yield LlamaServer(_url(process, log), log)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + READY_LIMIT_S
    while select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
        line = process.stdout.readline().decode()
        if line.startswith("READY "):
            return line.split()[1]
        if not line:
            break
    raise AssertionError(f"llama.cpp's server did not come up:\n{log.read_text(errors='replace')}")


def serve(
    model: str,
    *,
    pooling: str | None,
    api_key: str | None,
    shared_context: int | None,
    mmproj: str | None,
) -> None:
    """Listen on a free port of this machine until SIGTERM. With `mmproj`, a projector's file, it sees.

    With `pooling` (MEAN, RANK) it answers with vectors or scores. `shared_context` tokens are all there is
    for all slots together.
    """
    import xllamacpp

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # in its threads, too
    given = xllamacpp.CommonParams()
    given.model.path = model
    given.model_alias = {tiny_llama.NAME}
    given.hostnames, given.port = ["127.0.0.1"], 0
    given.n_parallel, given.n_ctx = SLOTS, SLOTS * SLOT_CONTEXT
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = 1
    given.endpoint_metrics = given.use_jinja = True
    if api_key:
        given.api_keys = [api_key]
    if pooling:
        given.embedding = True
        given.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{pooling}")
    if mmproj:
        given.mmproj.path = mmproj
    if shared_context:
        given.n_ctx, given.kv_unified, given.ctx_shift = shared_context, True, False
    server = xllamacpp.Server(given)
    sys.stdout.write(f"READY {server.listening_address}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--pooling")
    parser.add_argument("--shared-context", type=int)
    parser.add_argument("--api-key")
    parser.add_argument("--mmproj")
    serve(**vars(parser.parse_args()))
