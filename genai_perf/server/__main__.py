"""`python -m genai_perf.server`: the same as `genai-perf serve`, and starts faster."""

import argparse
import sys
from collections.abc import Sequence

from genai_perf.config.options import Given
from genai_perf.exceptions import GenAIPerfError
from genai_perf.server.settings import OPTIONS, ServerSettings, from_layer


def parse_args(argv: Sequence[str]) -> ServerSettings:
    """The settings that a command line asks for; UsageError, or SystemExit(2) by argparse."""
    parser = argparse.ArgumentParser("python -m genai_perf.server", allow_abbrev=False, description=__doc__)
    for option in OPTIONS:
        text = option.help.replace("%", "%%")
        if option.is_switch:
            parser.add_argument(
                *option.flags, dest=option.key, action="store_const", const=["true"], help=text
            )
        else:
            many = "+" if option.takes_several else 1
            action = "extend" if option.takes_several else "store"
            parser.add_argument(
                *option.flags,
                dest=option.key,
                nargs=many,
                action=action,
                metavar=option.value_name.rstrip("…"),
                help=text,
            )
    names = {option.key: option.long for option in OPTIONS}
    texts = vars(parser.parse_args(argv))
    return from_layer({key: Given(tuple(given), names[key]) for key, given in texts.items() if given})


def main(argv: Sequence[str]) -> int:
    """Serve; the exit code."""
    try:
        settings = parse_args(argv)
        from genai_perf.server.run import run

        run(settings)
    except GenAIPerfError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
