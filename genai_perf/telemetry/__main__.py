"""`python -m genai_perf.telemetry`: the sampling process."""

from genai_perf.telemetry import process

if __name__ == "__main__":
    process.main()
