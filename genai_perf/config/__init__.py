"""argv, environment and files in; one frozen `Config` out."""

from genai_perf.config.schema import Config

__all__ = ["Config"]
