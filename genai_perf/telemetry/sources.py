"""Which sources a run asks: the only place that knows of all kinds."""

from genai_perf.config.schema import Config
from genai_perf.telemetry import Spec, gpu_sources, server_pages


def specs(config: Config) -> list[Spec]:
    """What to sample beside a run like this. Raises UsageError."""
    return [*server_pages.specs(config), *gpu_sources.specs(config)]
