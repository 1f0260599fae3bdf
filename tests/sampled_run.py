"""What a run's sampling process would have left, made of pages at chosen instants."""

from collections.abc import Iterable
from pathlib import Path

from genai_perf.telemetry import store
from genai_perf.telemetry.log import LOG, Log
from genai_perf.telemetry.prometheus import parse

S = 1_000_000_000


def sampled(directory: Path, pages: Iterable[tuple[float, str, str | None]]) -> store.Telemetry:
    """`pages` are (second, source, text); where the text is None, the source did not answer."""
    log = Log(directory / LOG, 0)
    for at_s, source, text in sorted(pages, key=lambda page: page[0]):
        samples = [] if text is None else list(parse(text))
        log.add(source, round(at_s * S), 1_000_000, samples, "connection refused" if text is None else None)
    log.close()
    found = store.read(directory)
    assert found is not None
    return found


def rows(gpu: int, values: dict[str, float], **labels: str) -> str:
    """Lines as dcgm-exporter writes them."""
    given = {
        "gpu": str(gpu),
        "UUID": f"GPU-{labels.get('Hostname', 'node1')}-{gpu}",
        "pci_bus_id": f"00000000:0{gpu}:00.0",
        "device": f"nvidia{gpu}",
        "modelName": "NVIDIA H100 80GB HBM3",
        "Hostname": "node1",
        "DCGM_FI_DRIVER_VERSION": "570.86.15",
        **labels,
    }
    inside = ",".join(f'{name}="{value}"' for name, value in given.items())
    return "".join(f"DCGM_FI_{name}{{{inside}}} {value!r}\n" for name, value in values.items())
