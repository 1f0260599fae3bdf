"""Whole runs on virtual time: a config against a planned server, and what is left of it."""

import asyncio
import gc

from exchanges import request
from journal_rows import info
from virtual_time import VirtualTimer, VirtualTransport, now_ns, run

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, LoadConfig, OutputConfig
from genai_perf.engine.job import Job
from genai_perf.engine.journal import Journal, read
from genai_perf.engine.run import Run
from genai_perf.schedule import LoadFile
from genai_perf.types import Workload

S = 1_000_000_000


def config(*, quiet=True, verbose=False, **load):
    return Config(
        endpoint=EndpointConfig(model_names=("m",), type="chat", streaming=True),
        load=LoadConfig(**load),
        output=OutputConfig(quiet=quiet, verbose=verbose),
    )


class Measured:
    """How a run ended, and what it left."""

    def __init__(self, path, transport, end, ended_ns):
        self.end, self.transport, self.ended_ns = end, transport, ended_ns
        self.rows = sorted(read(path)[1].to_pylist(), key=lambda row: row["index"])

    def column(self, name):
        return [row[name] for row in self.rows]


def measuring(tmp_path):
    """Runs a config against a planned server; `at` is a list of (instant, what happens then)."""

    def measure(given, plans=(), *, at=(), transport=None, rows=5, load_file=None, journal=None):
        transport = transport or VirtualTransport(plans)
        path = tmp_path / "records.arrows"

        async def main():
            loop = asyncio.get_running_loop()
            for at_ns, happens in at:
                loop.call_at(at_ns / S, happens)
            job = Job(
                given,
                endpoints.get("chat"),
                Workload([request(row) for row in range(rows)]),
                load_file or LoadFile(),
            )
            made = Run(job, transport, journal or Journal(path, info()), VirtualTimer())
            end = await made.measure()
            assert {asyncio.current_task()} == asyncio.all_tasks()
            return end, now_ns()

        end, ended_ns = run(main())
        assert transport.closed
        assert gc.isenabled()
        assert 0 == gc.get_freeze_count()
        assert len(transport.sends) == read(path)[1].num_rows
        return Measured(path, transport, end, ended_ns)

    return measure
