"""`python -m genai_perf` is `genai-perf`."""

import sys

from genai_perf.cli import main

sys.exit(main())
