"""GPUs by a page of NVIDIA's DCGM exporter, or of a Triton that still has `nv_gpu_…` on its own.

Only what `metrics.gpu` knows is kept of it. The address may be as short as a host's name: port 9400 and
`/metrics` are the exporter's own.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from genai_perf.config.urls import parse_url
from genai_perf.metrics.gpu import SERIES
from genai_perf.telemetry import Sample, ScrapeError, Source, Spec, page

DEFAULT_URL = "localhost:9400"
"""GenAI-Perf's."""
FLAG = "--gpu-telemetry-url"
_PORT = 9400


def page_url(text: str) -> str:
    """The whole URL of what was given: `node1`, `node1:9400`, `https://node1/gpus`. Raises UsageError."""
    url = parse_url(text, FLAG)
    authority = text.rpartition("://")[2].partition("/")[0]
    has_port = ":" in authority.rpartition("]")[2]
    port = url.port if has_port or "://" in text else _PORT
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}:{port}/{url.path or 'metrics'}"


def spec(text: str, *, interval_s: float, optional: bool = False, name: str | None = None) -> Spec:
    """The page at this address; `optional` for one that nobody named."""
    url = page_url(text)
    return Spec("dcgm", name or f"dcgm:{urlsplit(url).netloc}", interval_s, optional, {"url": url})


def source(spec: Spec) -> Source:
    """What the sampling process asks."""
    return _GPUsOfAPage(page.source(spec))


class _GPUsOfAPage:
    def __init__(self, whole: page.Page) -> None:
        self.name = whole.name
        self._whole = whole

    def sample(self) -> Iterable[Sample]:
        """What the page says of GPUs. Raises ScrapeError when that is nothing."""
        samples = [sample for sample in self._whole.sample() if sample.name in SERIES]
        if not samples:
            raise ScrapeError("the page has no metrics of GPUs")
        return samples

    def close(self) -> None:
        """Close the connection."""
        self._whole.close()
