"""`genai-perf`, and `python -m genai_perf`."""

import sys


def main() -> int:
    """Run the command line; the exit code."""
    try:
        from genai_perf.cli import main
    except KeyboardInterrupt:  # before it is all loaded
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(main())
