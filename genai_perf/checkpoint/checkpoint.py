"""GenAI-Perf's import path of `Checkpoint`."""

from genai_perf.analyze.published.checkpoint import Checkpoint, CheckpointDefaults, checkpoint_encoder

__all__ = ["Checkpoint", "CheckpointDefaults", "checkpoint_encoder"]
