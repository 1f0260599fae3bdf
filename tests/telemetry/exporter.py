"""An exporter on loopback whose GPUs work in a square wave, so that the truth about them is known exactly."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from sampled_run import rows

from genai_perf.clock import NS_PER_S, monotonic_ns


@dataclass(frozen=True, slots=True)
class Wave:
    """Power that is high in the first half of each period and low in the second."""

    low_w: float
    high_w: float
    period_ns: int

    def power_w(self, at_ns: int) -> float:
        return self.high_w if at_ns % self.period_ns < self.period_ns // 2 else self.low_w

    def energy_j(self, at_ns: int) -> float:
        """The integral of the power since the clock's zero."""
        half = self.period_ns // 2
        periods, rest = divmod(at_ns, self.period_ns)
        high_ns = periods * half + min(rest, half)
        return (high_ns * self.high_w + (at_ns - high_ns) * self.low_w) / NS_PER_S

    def page(self, at_ns: int, gpu: int = 0) -> str:
        busy = self.power_w(at_ns) == self.high_w
        return rows(
            gpu,
            {
                "DEV_POWER_USAGE": self.power_w(at_ns),
                "DEV_TOTAL_ENERGY_CONSUMPTION": self.energy_j(at_ns) * 1000,
                "DEV_GPU_UTIL": 100.0 if busy else 0.0,
            },
        )


class Exporter:
    """Serves `page(now_ns)`; an OSError of it is a broken scrape, and while it is held nobody is answered."""

    def __init__(self, page: Callable[[int], str]) -> None:
        self.page = page
        self.held = threading.Event()
        self.held.set()
        """Clear it to hold answers back."""
        self.asked = 0
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                exporter._enter(1)
                try:
                    exporter.held.wait(20)
                    try:
                        status, body = 200, exporter.page(monotonic_ns()).encode()
                    except OSError:
                        status, body = 503, b"no"
                    self.send_response(status)
                    self.send_header("Content-Type", "text/plain; version=0.0.4")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                finally:
                    exporter._enter(-1)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that gave up

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def _enter(self, step: int) -> None:
        with self._lock:
            self.asked += step > 0
            self._at_once += step
            self.most_at_once = max(self.most_at_once, self._at_once)

    def __enter__(self) -> "Exporter":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
