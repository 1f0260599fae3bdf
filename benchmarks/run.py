"""Measure what this program promises, and print it as one table: `make bench`.

The client is pinned to core 0 and the server to core 1. Throughput is stated as a ratio to `bare.py`,
measured in the same run; accuracy against what `truthserver` says it really did. Where instants are measured
(accuracy, open_loop) both run at real-time priority if the user may give it, so that it is this program which
is measured and not what else the machine does. Needs Linux, two cores, a C compiler.

    python benchmarks/run.py [NAME …]

NAME: accuracy tokens requests open_loop memory startup reports analyze endpoints sampling grpc sessions prompts
      traces
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path

import analyze as sweeps
import prompts as making
import sessions as conversations
import telemetry
import traces as replays
from figure import Figure

HERE = Path(__file__).parent
CLIENT_CORE, SERVER_CORE = "0", "1"
GENAI_PERF = [sys.executable, "-m", "genai_perf"]
PROMPT_TOKENS = 100
BODY_BYTES = 600
"""About what a prompt of that many tokens makes."""


# -- the pieces ---------------------------------------------------------------------------------------


def truthserver() -> Path:
    """The witness, compiled once."""
    source, binary = HERE / "truthserver.c", HERE / "build" / "truthserver"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-w", "-o", binary, source], check=True)
    return binary


@cache
def may_have_priority() -> bool:
    """Whether programs can be started at real-time priority."""
    return (
        shutil.which("chrt") is not None
        and subprocess.run([*_PRIORITY, "true"], capture_output=True).returncode == 0
    )


_PRIORITY = ["chrt", "--fifo", "10"]


def priority(exact: bool) -> list[str]:
    """What to start a program with whose instants count."""
    return _PRIORITY if exact and may_have_priority() else []


class Server:
    """A truthserver, and what it says at the end."""

    def __init__(
        self, port: int, ttft_us: int, itl_us: int, tokens: int, *, plain: bool = False, exact: bool = False
    ) -> None:
        self.exact = exact
        command = [
            *priority(exact),
            "taskset",
            "-c",
            SERVER_CORE,
            truthserver(),
            port,
            ttft_us,
            itl_us,
            tokens,
        ]
        self.port = port
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            env=os.environ | ({"PLAIN": "1"} if plain else {}),
        )
        time.sleep(0.2)

    def stop(self) -> dict:
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=20)
        return json.loads(out)


@contextmanager
def serving(*args: int, plain: bool = False, exact: bool = False) -> Iterator[Server]:
    with unthrottled() if exact else nullcontext():
        server = Server(*args, plain=plain, exact=exact)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()


@contextmanager
def unthrottled() -> Iterator[None]:
    """Let real-time programs have a whole core, where the user may.

    Linux else takes it from one for 50 ms in each second that it uses to the full, as this program does while it
    starts; the pause then falls into the first answers.
    """
    share = Path("/proc/sys/kernel/sched_rt_runtime_us")
    before = None
    with suppress(OSError):
        before = share.read_text()
        share.write_text("-1")
    try:
        yield
    finally:
        if before is not None:
            with suppress(OSError):
                share.write_text(before)


def command(server: Server, directory: Path, *options: str) -> list[str]:
    return [
        *priority(server.exact), "taskset", "-c", CLIENT_CORE, *GENAI_PERF, "profile", "-m", "gpt2", "--endpoint-type", "chat", "--streaming",
        "--tokenizer", "builtin", "--synthetic-input-tokens-mean", str(PROMPT_TOKENS),
        "-u", f"127.0.0.1:{server.port}", "--artifact-dir", str(directory), *options,
    ]  # fmt: skip


def profile(server: Server, *options: str) -> dict:
    """Run the command as a user would; its JSON report, and how the run ended."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(command(server, Path(name), *options), check=True, capture_output=True)
        found = json.loads(next(Path(name).glob("*/profile_export_genai_perf.json")).read_text())
        found["end"] = json.loads(next(Path(name).glob("*/run.json")).read_text())["end"]
        return found


def bare(server: Server, connections: int, tokens: int, seconds: float) -> dict:
    line = subprocess.run(
        ["taskset", "-c", CLIENT_CORE, sys.executable, HERE / "bare.py"]
        + [str(value) for value in (server.port, connections, tokens, seconds, BODY_BYTES)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(line.stdout)


# -- the figures --------------------------------------------------------------------------------------


def accuracy() -> Iterator[Figure]:
    """Reported against true TTFT, ITL and latency at 50 tokens/s a stream; the middle one of three runs."""
    for streams in (100, 500, 1000):
        runs = sorted((_errors_ms(streams) for _ in range(3)), key=_worst)
        told = ", ".join(f"{name} {error:+.3f}" for name, error in runs[1].items())
        worst = _worst(runs[1])
        yield Figure(
            f"error at {streams} streams (ms): {told}",
            f"{worst:.3f} ms (three runs: {', '.join(f'{_worst(run):.3f}' for run in runs)})",
            "≤ 0.1 ms",
            worst <= 0.1,
        )


def _worst(errors_ms: dict[str, float]) -> float:
    return max(map(abs, errors_ms.values()))


def _errors_ms(streams: int) -> dict[str, float]:
    with serving(7101, 50_000, 20_000, 100, plain=True, exact=True) as server:
        ours = profile(server, "--concurrency", str(streams), "--request-count", str(streams * 4))
        truth = server.stop()
    return {
        f"{name.removesuffix('_ms')} {stat}": ours[tag][stat] - truth[name][stat]
        for tag, name in (
            ("time_to_first_token", "ttft_ms"),
            ("inter_token_latency", "itl_ms"),
            ("request_latency", "latency_ms"),
        )
        for stat in ("avg", "p99")
    }


def _ratio(what: str, unit: str, connections: int, tokens: int, wanted: float) -> Iterator[Figure]:
    """Three runs of each in turn, on one server; the medians are compared."""
    ours, references, drained = [], [], []
    with serving(7102, 0, 0, tokens) as server:
        for _ in range(3):
            references.append(bare(server, connections, tokens, 5)[unit])
            found = profile(server, "--concurrency", str(connections), "--benchmark-duration", "5")
            count = found["request_count"]["avg"] * (tokens if unit == "tokens_per_s" else 1)
            seconds = count / found["request_throughput"]["avg"] / (tokens if unit == "tokens_per_s" else 1)
            ours.append(count / seconds)
            drained.append(count / (found["end"]["recorded_ns"] / 1e9))
    mine, reference, whole = map(statistics.median, (ours, references, drained))
    ratio = mine / reference
    yield Figure(
        what,
        f"{mine:,.0f}/s = {ratio:.2f} of the bare loop's {reference:,.0f}/s ({whole:,.0f}/s to the last record on disk)",
        f"≥ {wanted}",
        ratio >= wanted,
    )


def tokens() -> Iterator[Figure]:
    """Tokens a second, 64 streams, as fast as the server sends."""
    yield from _ratio("tokens/s, 64 streams, unthrottled", "tokens_per_s", 64, 200, 0.8)


def requests() -> Iterator[Figure]:
    """Requests a second, one token each."""
    yield from _ratio("requests/s, 64 connections, one token", "requests_per_s", 64, 1, 0.6)


def open_loop() -> Iterator[Figure]:
    """Poisson arrivals at 2,000/s for 20 s."""
    with serving(7103, 10_000, 1_000, 8, exact=True) as server:
        found = profile(
            server,
            "--request-rate",
            "2000",
            "--request-distribution",
            "poisson",
            "--benchmark-duration",
            "20",
        )
        truth = server.stop()
    late_ms = found["exactness"]["send_lateness"]["p99_ns"] / 1e6
    yield Figure(
        "Poisson 2,000/s for 20 s: send lateness p99", f"{late_ms:.3f} ms", "≤ 0.5 ms", late_ms <= 0.5
    )
    achieved = truth["requests"] / 20
    off = achieved / 2000 - 1
    yield Figure(
        "achieved rate, as the server counted",
        f"{achieved:,.1f}/s ({off:+.2%} of 2,000)",
        "within 0.5 %",
        abs(off) <= 0.005,
    )


def memory() -> Iterator[Figure]:
    """Resident memory while a million short requests run."""
    with serving(7104, 0, 0, 1) as server, tempfile.TemporaryDirectory() as name:
        argv = command(server, Path(name), "--concurrency", "64", "--request-count", "1000000")
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        samples = []
        while process.poll() is None:
            time.sleep(0.5)
            run = next(Path(name).glob("*/run.json"), None)
            if run is not None and json.loads(run.read_text() or '{"end": 1}')["end"] is None:
                samples.append(_rss_mb(process.pid))
    middle, last = samples[len(samples) // 3], samples[-1]
    reached = process.returncode == 0 and max(samples) <= 300 and last - middle < 20
    yield Figure(
        "memory over 1,000,000 requests",
        f"{max(samples):,.0f} MB at most; {middle:,.0f} MB at a third, {last:,.0f} MB at the end",
        "≤ 300 MB, flat",
        reached,
    )


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def startup() -> Iterator[Figure]:
    """--help, and from the command to its first request at the server."""
    took = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([*GENAI_PERF, "--help"], check=True, capture_output=True)
        took.append(time.perf_counter() - started)
    yield Figure(
        "genai-perf --help", f"{statistics.median(took):.2f} s", "≤ 0.25 s", statistics.median(took) <= 0.25
    )
    took = []
    for _ in range(5):
        with serving(7105, 0, 0, 4) as server, tempfile.TemporaryDirectory() as name:
            started_ns = time.perf_counter_ns()
            subprocess.run(
                command(server, Path(name), "--request-count", "1"), check=True, capture_output=True
            )
            text = next(Path(name).glob("*/profile_export.json")).read_text()
            # the first chunk carries when the server had the request, on this clock: " t<sent>.<received>"
            found = re.search(r" t\d{9,}\.(\d{9,})", text)
            assert found is not None, text
            took.append((int(found[1]) - started_ns) / 1e9)
    yield Figure(
        "command to first request on the wire",
        f"{statistics.median(took):.2f} s",
        "≤ 1 s",
        statistics.median(took) <= 1,
    )


def reports() -> Iterator[Figure]:
    """Decoding is part of the run; this is what follows: reading the journal, counting tokens, metrics, files."""
    with serving(7106, 0, 0, 200, plain=True) as server, tempfile.TemporaryDirectory() as name:
        subprocess.run(
            command(server, Path(name), "--concurrency", "64", "--request-count", "10000"),
            check=True,
            capture_output=True,
        )
        run = next(Path(name).glob("*/run.json")).parent
        script = (
            "import sys, time; from pathlib import Path; from genai_perf import profile; t = time.perf_counter(); "
            "found = profile.summarize(Path(sys.argv[1])); print(time.perf_counter() - t)"
        )
        out = subprocess.run(
            ["taskset", "-c", CLIENT_CORE, sys.executable, "-c", script, run],
            check=True,
            capture_output=True,
            text=True,
        )
        rate = 10_000 * 200 / float(out.stdout.split()[-1])
    yield Figure(
        "token counting and metrics after the run", f"{rate:,.0f} tokens/s", "≥ 300,000", rate >= 300_000
    )


def analyze() -> Iterator[Figure]:
    """What a sweep costs beside its requests."""
    with serving(7107, 5_000, 1_000, 16, plain=True) as server:
        yield from sweeps.figures(server.port, ["taskset", "-c", CLIENT_CORE])


def endpoint_costs() -> Iterator[Figure]:
    """What a request costs at each HTTP endpoint, as a ratio to chat."""
    import endpoints as measured

    for name, cost_us, ratio in measured.ratios():
        yield Figure(
            f"CPU of writing and reading a request of {name}",
            f"{cost_us:,.0f} µs = {ratio:.2f} of chat's",
            f"≤ {measured.WANTED}",
            ratio <= measured.WANTED,
        )


def sampling() -> Iterator[Figure]:
    """Pages as large as vLLM's and as a DCGM exporter's for eight GPUs, sampled beside the run."""
    share, rows = telemetry.share_of_a_core(10)
    told = f"{share:.2%} of a core ({rows:,} values in 10 s)"
    yield Figure("CPU of the sampling process", told, "≤ 1 %", share <= 0.01)
    off = ("--no-server-metrics", "--gpu-telemetry", "off")
    without, sampled = [], []
    with telemetry.serving() as url:
        on = (*off, "--server-metrics-url", f"{url}/vllm", f"{url}/dcgm")
        for _ in range(3):  # in turn, so that what else the machine does meets both alike
            without.append(_late_first_tokens_us(*off))
            sampled.append(_late_first_tokens_us(*on))
    before, after = statistics.median(without), statistics.median(sampled)
    yield Figure(
        "first tokens' arrival error p99 at 500 streams with sampling",
        f"{after:.0f} µs; {before:.0f} µs without (medians of three runs in turn)",
        "at most 10 µs more",
        after - before <= 10,
    )


def _late_first_tokens_us(*options: str) -> float:
    """p99 of how much later each request's first token was stamped than sent, over the least of all."""
    import pyarrow as pa

    with serving(7107, 50_000, 20_000, 100, exact=True) as server, tempfile.TemporaryDirectory() as name:
        argv = command(server, Path(name), "--concurrency", "500", "--request-count", "2000", *options)
        subprocess.run(argv, check=True, capture_output=True)
        journal = next(Path(name).glob("*/records.arrows"))
        rows = pa.ipc.open_stream(journal.read_bytes()).read_all().select(["text", "content_ns"]).to_pylist()
    late_ns = []
    for row in rows:
        # the first chunk carries when it was sent, on this clock
        sent = re.match(r" t(\d{9,})\.", row["text"])
        assert sent is not None, row["text"]
        late_ns.append(row["content_ns"][0] - int(sent[1]))
    late_ns.sort()
    return (late_ns[int(0.99 * len(late_ns))] - late_ns[0]) / 1e3


def grpc() -> Iterator[Figure]:
    """Streams of 128 responses, 64 at a time: the whole command, grpcio's client, and the least there is."""
    responses, calls, requests = 128, 64, 2_000
    script, port = str(HERE / "grpc_streams.py"), 7107
    on_client = ["taskset", "-c", CLIENT_CORE]
    server = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, sys.executable, script, "serve", str(port), str(responses)]
    )
    try:
        time.sleep(1)
        others = {}
        for kind in ("bare", "aio"):
            line = subprocess.check_output(
                [*on_client, sys.executable, script, kind, str(port), str(calls), "3"]
            )
            others[kind] = json.loads(line)
        with tempfile.TemporaryDirectory() as name:
            rows = Path(name) / "rows.jsonl"
            rows.write_text(json.dumps({"text": f"{sys.executable} {script} request"}) + "\n")
            options = (
                f"profile -m bench --endpoint-type dynamic_grpc --grpc-method bench.Streams/Words "
                f"--input-file {rows} -u 127.0.0.1:{port} --artifact-dir {name} --concurrency {calls} "
                f"--request-count {requests} --gpu-telemetry off --no-server-metrics"
            )
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*on_client, *GENAI_PERF, *options.split()], check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            found = json.loads(next(Path(name).glob("*/profile_export_genai_perf.json")).read_text())
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    finally:
        server.terminate()
        server.wait()
    a_second = found["request_throughput"]["avg"] * responses
    a_cpu_second = requests * responses / cpu_s
    least, grpcio = (others[kind]["responses_per_cpu_s"] for kind in ("bare", "aio"))
    yield Figure(
        "gRPC responses a second of one core's time, reports included",
        f"{a_cpu_second:,.0f}, {a_cpu_second / least:.2f} of the bare loop's {least:,.0f}; grpc.aio alone "
        f"{grpcio:,.0f}; {a_second:,.0f}/s by the clock",
        "≥ 20,000",
        a_cpu_second >= 20_000,
    )


def prompts() -> Iterator[Figure]:
    """What it takes to make the prompts of a large run, and whether each has its tokens."""
    yield from making.figures(["taskset", "-c", CLIENT_CORE])


def traces() -> Iterator[Figure]:
    """A trace of 100,000 requests, sent by its own instants while it is read."""
    with serving(7108, 10_000, 1_000, 8, exact=True) as server:
        yield from replays.figures(server.port, [*priority(True), "taskset", "-c", CLIENT_CORE])


FIGURES: dict[str, Callable[[], Iterator[Figure]]] = {
    "accuracy": accuracy,
    "tokens": tokens,
    "requests": requests,
    "open_loop": open_loop,
    "memory": memory,
    "startup": startup,
    "reports": reports,
    "analyze": analyze,
    "endpoints": endpoint_costs,
    "sampling": sampling,
    "grpc": grpc,
    "sessions": conversations.sessions,
    "prompts": prompts,
    "traces": traces,
}


def main() -> int:
    # As on a user's machine: a program that is run again is not compiled again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FIGURES)}; all unless given")
    names = parser.parse_args().names or list(FIGURES)
    print(
        f"real-time priority where instants are measured: {'yes' if may_have_priority() else 'no'}",
        flush=True,
    )
    all_reached = True
    for name in names:
        for figure in FIGURES[name]():
            all_reached &= figure.reached
            print(
                f"{'ok  ' if figure.reached else 'MISS'} | {figure.what} | {figure.measured} | {figure.wanted}",
                flush=True,
            )
    return 0 if all_reached else 1


if __name__ == "__main__":
    sys.exit(main())
