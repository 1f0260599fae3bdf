"""GenAI-Perf's import path of its tokenizers, for counting tokens as a run does."""

from genai_perf.analyze.published.checkpoint import ConfigCommand
from genai_perf.workload.tokenizer import Tokenizer, load

__all__ = ["Tokenizer", "get_tokenizer"]


def get_tokenizer(config: ConfigCommand) -> Tokenizer:
    """The tokenizer that `config.tokenizer` names, or else the first model. Raises TokenizerError."""
    return load(config.tokenizer, next(iter(config.model_names), config.tokenizer.name or "builtin"))
