"""What sampling costs: the CPU time of the sampling process, on pages as large as real ones.

python benchmarks/telemetry.py [SECONDS]      alone; `run.py sampling` puts it into the table
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from genai_perf.clock import Origin
from genai_perf.telemetry import Sample, Spec, store
from genai_perf.telemetry.prometheus import render
from genai_perf.telemetry.sampler import Sampler

SERVER_INTERVAL_S, GPU_INTERVAL_S = 1.0, 0.33
"""What a run samples at."""
VLLM_LINES, GPUS = 631, 8
_DCGM = (
    "DEV_SM_CLOCK", "DEV_MEM_CLOCK", "DEV_MEMORY_TEMP", "DEV_GPU_TEMP", "DEV_POWER_USAGE",
    "DEV_TOTAL_ENERGY_CONSUMPTION", "DEV_PCIE_REPLAY_COUNTER", "DEV_GPU_UTIL", "DEV_MEM_COPY_UTIL",
    "DEV_ENC_UTIL", "DEV_DEC_UTIL", "DEV_XID_ERRORS", "DEV_FB_FREE", "DEV_FB_USED",
    "DEV_FB_RESERVED", "DEV_NVLINK_BANDWIDTH_TOTAL", "DEV_VGPU_LICENSE_STATUS",
    "DEV_UNCORRECTABLE_REMAPPED_ROWS", "DEV_CORRECTABLE_REMAPPED_ROWS", "DEV_ROW_REMAP_FAILURE",
    "PROF_GR_ENGINE_ACTIVE", "PROF_PIPE_TENSOR_ACTIVE", "PROF_DRAM_ACTIVE", "PROF_PCIE_TX_BYTES",
    "PROF_PCIE_RX_BYTES",
)  # fmt: skip


def vllm_page(asked: int) -> bytes:
    """As many lines, labels and histograms as vLLM's, and as many values that change."""
    labels = {"engine": "0", "model_name": "meta-llama/Llama-3.1-8B-Instruct"}
    samples = []
    for family in range(22):
        name = f"vllm:request_time_of_kind_{family}_seconds"
        for bucket in range(20):
            le = "+Inf" if bucket == 19 else f"{0.01 * 2**bucket:g}"
            samples.append(Sample(f"{name}_bucket", {**labels, "le": le}, float(asked * bucket), "histogram"))
        samples.append(Sample(f"{name}_sum", labels, asked * 1.2345678, "histogram"))
        samples.append(Sample(f"{name}_count", labels, float(asked * 19), "histogram"))
        samples.append(Sample(f"{name}_created", labels, 1.7634817441157422e09, "gauge"))
    text = render(
        samples, {f"vllm:request_time_of_kind_{family}_seconds": "Histogram." for family in range(22)}
    )
    missing = VLLM_LINES - text.count("\n")
    gauges = [
        Sample(f"vllm:gauge_{number}", labels, float(asked + number), "gauge")
        for number in range(missing // 2)
    ]
    return (text + render(gauges)).encode()


def dcgm_page(asked: int) -> bytes:
    """As dcgm-exporter's default for eight GPUs."""
    return render(
        Sample(
            f"DCGM_FI_{name}",
            {
                "gpu": str(gpu),
                "UUID": f"GPU-0f3c1a7e-9d4b-4d52-8a63-5d1c7c0e5b0{gpu}",
                "pci_bus_id": f"00000000:{gpu:02X}:00.0",
                "device": f"nvidia{gpu}",
                "modelName": "NVIDIA H100 80GB HBM3",
                "Hostname": "node1",
                "DCGM_FI_DRIVER_VERSION": "570.86.15",
            },
            asked * 1.5 + gpu,
            "gauge",
        )
        for name in _DCGM
        for gpu in range(GPUS)
    ).encode()


PAGES = {"/vllm": vllm_page, "/dcgm": dcgm_page}


def serve() -> None:
    """The pages, in a process of their own: its CPU time is not the sampling's."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one write an answer
        asked = 0

        def do_GET(self) -> None:
            Handler.asked += 1
            body = PAGES[self.path](Handler.asked)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def serving() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def share_of_a_core(seconds: float) -> tuple[float, int]:
    """CPU time of the sampling process over `seconds` of a run, as a share of them; and how much it sampled."""
    with serving() as url, Sampler() as sampler, tempfile.TemporaryDirectory() as name:
        sampler.start(
            [
                Spec("page", "server:vllm", SERVER_INTERVAL_S, settings={"url": f"{url}/vllm"}),
                Spec("page", "server:dcgm", GPU_INTERVAL_S, settings={"url": f"{url}/dcgm"}),
            ]
        )
        sampler.begin(Path(name), Origin.now())
        asyncio.run(sampler.mark())
        assert sampler.pid is not None
        before_s, began = _cpu_s(sampler.pid), time.perf_counter()
        time.sleep(seconds)
        used_s, passed_s = _cpu_s(sampler.pid) - before_s, time.perf_counter() - began
        sampler.end()
        sampled = store.read(Path(name))
    assert sampled is not None
    assert not any(health.failures for health in sampled.sources.values()), sampled.sources
    return used_s / passed_s, sampled.table.num_rows


def _cpu_s(pid: int) -> float:
    """Of all of its threads, to the nanosecond."""
    return (
        sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        share, rows = share_of_a_core(float(sys.argv[1]) if sys.argv[1:] else 10.0)
        print(
            f"sampling vLLM's page each second and 8 GPUs' each 0.33 s: {share:.2%} of a core, {rows:,} values"
        )
