"""The same load on the same Triton by this program and by NVIDIA's own client, and what each says: one table.

    python benchmarks/triton.py [--concurrency N] [--requests N] [--rounds N]

NVIDIA's client is `perf_analyzer` 2.41.0, of tritonclient's last wheel that has it for Linux; it is downloaded
into `benchmarks/build`, by its hash. The server is the one of the tests (`make setup-triton`), on core 1; the
clients take turns on core 0, and the middle one of the rounds counts. Both figures are worked out here, alike,
from what each wrote down of every request: when it was sent and when each response came. A server's pace
depends on who drives it, so the model writes down as well when it sent every token.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "triton"))

import repository  # noqa: E402  of the tests
import triton_server  # noqa: E402

WHEEL, WHEEL_SHA256 = (
    "tritonclient==2.41.0",
    "cf4ed5df836fa99937678a9fd852f86ba05c7b83656dd0a540e20afdb9ab4629",
)
BINARY = "tritonclient-2.41.0.data/data/bin/perf_analyzer"
LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}
"""What the binary wants, and what the server's wheel calls it."""
CLIENT_CORE, SERVER_CORE = "0", "1"
MODEL, TOKENS, PROMPT_TOKENS, PROMPTS = "vllm_like", 64, 100, 20


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One request, in ns."""

    sent: int
    came: list[int]
    """When each response with a token came."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of a run."""

    name: str
    unit: str
    of: Callable[[list[Exchanged]], float]


def _mean_ms(value: Callable[[Exchanged], float]) -> Callable[[list[Exchanged]], float]:
    return lambda exchanged: statistics.fmean(map(value, exchanged)) / 1e6


def _p99_ms(value: Callable[[Exchanged], float]) -> Callable[[list[Exchanged]], float]:
    return lambda exchanged: statistics.quantiles(map(value, exchanged), n=100)[98] / 1e6


def ttft(each: Exchanged) -> float:
    return each.came[0] - each.sent


def latency(each: Exchanged) -> float:
    return each.came[-1] - each.sent


def itl(each: Exchanged) -> float:
    return (each.came[-1] - each.came[0]) / (len(each.came) - 1)


def per_s(exchanged: list[Exchanged]) -> float:
    seconds = (max(each.came[-1] for each in exchanged) - min(each.sent for each in exchanged)) / 1e9
    return len(exchanged) / seconds


ROWS = (
    Row("request throughput", "1/s", per_s),
    Row("request latency avg", "ms", _mean_ms(latency)),
    Row("request latency p99", "ms", _p99_ms(latency)),
    Row("time to first token avg", "ms", _mean_ms(ttft)),
    Row("time to first token p99", "ms", _p99_ms(ttft)),
    Row("inter token latency avg", "ms", _mean_ms(itl)),
    Row("inter token latency p99", "ms", _p99_ms(itl)),
)


ITL = [row.name for row in ROWS].index("inter token latency avg")


def perf_analyzer(build: Path) -> Path:
    """The binary, downloaded once."""
    binary = build / "perf_analyzer"
    if not binary.exists():
        build.mkdir(exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(build), WHEEL]
        subprocess.run(pip, check=True)
        (wheel,) = build.glob("tritonclient-2.41.0-*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
            raise SystemExit(f"error: {wheel} is not the wheel that this was written for")
        with zipfile.ZipFile(wheel) as archive:
            binary.write_bytes(archive.read(BINARY))
        binary.chmod(0o755)
        wheel.unlink()
    (libraries,) = triton_server.HOME.glob("lib/python*/site-packages/nvidia_pytriton.libs")
    for name, pattern in LIBRARIES.items():
        link = build / name
        if not link.is_symlink():
            link.symlink_to(next(libraries.glob(pattern)))
    return binary


def on_core(core: str, *command: str) -> list[str]:
    return ["taskset", "--cpu-list", core, *command]


def ours(url: str, given: argparse.Namespace, work: Path) -> Path:
    """A run of this program; its directory."""
    command = [sys.executable, "-m", "genai_perf", "profile", "-m", MODEL, "-u", url, "--quiet"]
    command += ["--service-kind", "triton", "--backend", "vllm", "--streaming", "--tokenizer", "builtin"]
    command += ["--isl", str(PROMPT_TOKENS), "--osl", str(TOKENS), "--num-prompts", str(PROMPTS)]
    command += ["--concurrency", str(given.concurrency), "--request-count", str(given.requests)]
    command += ["--warmup-request-count", str(given.concurrency), "--artifact-dir", str(work)]
    subprocess.run(on_core(CLIENT_CORE, *command), check=True, stdout=subprocess.DEVNULL)
    return work / f"{MODEL}-triton-vllm-concurrency{given.concurrency}"


def theirs(url: str, given: argparse.Namespace, inputs: Path, work: Path) -> Path:
    """A run of NVIDIA's client on the same inputs; its export."""
    rows = json.loads(inputs.read_text())["data"]
    data, export = work / "inputs.json", work / "perf_analyzer.json"
    data.write_text(
        json.dumps({"data": [{name: row[name] for name in row if name != "model"} for row in rows]})
    )
    binary = perf_analyzer(HERE / "build")
    command = [str(binary), "-m", MODEL, "-u", url, "-i", "grpc", "--streaming", "--async"]
    command += ["--input-data", str(data), "--concurrency-range", str(given.concurrency)]
    command += ["--measurement-mode", "count_windows", "--measurement-request-count", str(given.requests)]
    command += ["--stability-percentage", "999", "--max-trials", "3", "--profile-export-file", str(export)]
    environ = {**os.environ, "LD_LIBRARY_PATH": str(binary.parent)}
    done = subprocess.run(on_core(CLIENT_CORE, *command), env=environ, capture_output=True, text=True)
    if not export.exists():
        raise SystemExit(f"error: perf_analyzer failed:\n{done.stdout}{done.stderr}")
    return export


def read(export: Path, *, closing_responses: int) -> list[Exchanged]:
    """The requests of an export in Perf Analyzer's form, without the empty responses that close an answer."""
    found = []
    for request in json.loads(export.read_text())["experiments"][0]["requests"]:
        came = request["response_timestamps"]
        came = came[: len(came) - closing_responses]
        if len(came) != TOKENS:
            raise SystemExit(f"error: {export}: {len(came)} tokens in an answer of {TOKENS}")
        found.append(Exchanged(request["timestamp"], came))
    return found


def true_itl_ms(truth: Path) -> float:
    """The inter-token latency of all answers since this was last asked, by the model itself."""
    answers = [json.loads(line) for line in truth.read_text().splitlines()]
    truth.unlink()
    return statistics.fmean((sent[-1] - sent[0]) / (len(sent) - 1) for sent in answers) / 1e6


def rounds(given: argparse.Namespace, work: Path) -> Iterator[tuple[list[float], list[float]]]:
    """Both clients' figures, in the order of ROWS, and the truth about the inter-token latency after them."""
    server_work, truth = work / "server", work / "truth"
    model = repository.ALL[MODEL]
    model = replace(model, parameters={**model.parameters, "truth": str(truth)})
    models = repository.write(work / "models", {MODEL: model})
    with triton_server.running(models, server_work, core=SERVER_CORE) as server:
        for number in range(given.rounds):
            here = work / f"round{number}"
            here.mkdir()
            directory = ours(server.grpc, given, here)
            my_truth = true_itl_ms(truth)
            export = theirs(server.grpc, given, directory / "inputs.json", here)
            other_truth = true_itl_ms(truth)
            mine = read(directory / "profile_export.json", closing_responses=0)
            other = read(export, closing_responses=1)
            yield [*(row.of(mine) for row in ROWS), my_truth], [*(row.of(other) for row in ROWS), other_truth]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if missing := triton_server.missing():
        raise SystemExit(f"error: {missing}")
    with tempfile.TemporaryDirectory() as work:
        pairs = list(rounds(given, Path(work)))
    print(
        f"{MODEL}: {given.concurrency} streams of {TOKENS} tokens, {given.requests} requests, {given.rounds} rounds\n"
    )
    print(f"| {'':32} | genai-perf | perf_analyzer 2.41.0 | {'difference':>19} |")
    print(f"|{'-' * 34}|-----------:|---------------------:|{'-' * 20}:|")
    for place, row in enumerate(ROWS):
        mine, other = (statistics.median(pair[side][place] for pair in pairs) for side in (0, 1))
        name = f"{row.name} ({row.unit})"
        print(
            f"| {name:32} | {mine:10.3f} | {other:20.3f} | {mine - other:+10.3f} ({(mine - other) / other:+.2%}) |"
        )

    print("\nInter token latency avg (ms), by the model's own clock while each of them measured:\n")
    for side, name in enumerate(("genai-perf", "perf_analyzer 2.41.0")):
        said, true = (statistics.median(pair[side][place] for pair in pairs) for place in (ITL, -1))
        print(f"- {name}: {true:.3f}, and it says {said:.3f} ({(said - true) / true:+.2%})")


if __name__ == "__main__":
    main()
