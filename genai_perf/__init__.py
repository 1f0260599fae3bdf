"""An asyncio-native load generator for LLM endpoints.

Start with `types.py` (the nouns), `engine/runner.py` (the loop) and one file in `endpoints/`.
"""

__version__ = "0.1.0"
