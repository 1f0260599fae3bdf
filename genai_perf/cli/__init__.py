"""The command line. `genai-perf --help` loads Typer and the schema, nothing heavier.

Results go to stdout, everything else to stderr. Exit codes: 0 measured, 1 the run failed, 2 the command
line is wrong, 130 interrupted; a traceback is a bug.
"""

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.main import get_command

from genai_perf.cli.analyze import SweepCommand, analyze
from genai_perf.cli.commands import SectionedGroup, TextCommand
from genai_perf.cli.compare import compare
from genai_perf.cli.config import config
from genai_perf.cli.create_template import create_template
from genai_perf.cli.invocation import Invocation
from genai_perf.cli.process_export_files import process_export_files
from genai_perf.cli.profile import profile
from genai_perf.cli.report import report
from genai_perf.cli.serve import serve
from genai_perf.config import legacy
from genai_perf.config.redact import redact
from genai_perf.exceptions import ArtifactError, GenAIPerfError, Interrupted, UsageError

PROGRAM = "genai-perf"
COMPLETION_VARIABLE = "_GENAI_PERF_COMPLETE"

_HELP: Any = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name=PROGRAM,
    cls=SectionedGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_HELP,
    epilog="Exit codes: 0 measured, 1 the run failed, 2 the command line is wrong, 130 interrupted.",
)
app.command(
    cls=TextCommand,
    context_settings=_HELP,
    epilog="Example: genai-perf profile -m gpt2 --endpoint-type chat --streaming --url embedded",
)(profile)
app.command(
    cls=SweepCommand,
    context_settings=_HELP,
    epilog="Example: genai-perf analyze -m gpt2 --endpoint-type chat --streaming --url embedded "
    "--sweep-type concurrency --sweep-range 1:128",
)(analyze)
app.command(
    cls=SweepCommand,
    context_settings=_HELP,
    epilog="Example: genai-perf config -f genai_perf_config.yaml --override-config --concurrency 32",
)(config)
app.command(
    "create-template",
    cls=TextCommand,
    context_settings=_HELP,
    epilog="Example: genai-perf create-template -v -f chat.yaml",
)(create_template)
app.command(cls=TextCommand, context_settings=_HELP)(report)
app.command(
    cls=TextCommand,
    context_settings=_HELP,
    epilog="Example: genai-perf compare -f artifacts/before artifacts/after",
)(compare)
app.command(
    "process-export-files",
    cls=TextCommand,
    context_settings=_HELP,
    epilog="Example: genai-perf process-export-files -d hosts --artifact-dir merged",
)(process_export_files)
app.command(cls=TextCommand, context_settings=_HELP)(serve)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from genai_perf.config.versions import versions

    for name, version in versions().items():
        typer.echo(f"{name} {version}")
    raise typer.Exit


@app.callback()
def _genai_perf(
    version: bool = typer.Option(
        False,
        "--version",
        is_eager=True,
        callback=_print_version,
        help="Print what matters for a result, and exit.",
    ),
) -> None:
    """Measure LLM servers: send requests as planned, write down when every token came back."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (without the program's name); the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    _stand_in_for_closed_streams()
    if COMPLETION_VARIABLE in os.environ:
        app(prog_name=PROGRAM)  # a shell asks what may come next; Typer answers and leaves
    try:
        outcome = _run(argv)
        sys.stdout.flush()
        return outcome
    except GenAIPerfError as error:
        return _fail(error)
    except _TYPER_ERROR as error:
        return _fail(UsageError(_plain(error)))
    except KeyboardInterrupt:
        return Interrupted.exit_code
    except BrokenPipeError:
        _leave_stdout()  # whoever reads it has seen enough
        return GenAIPerfError.exit_code
    except OSError as error:
        # files that cannot be written are told by those who write them, by their names
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        _leave_stdout()
        return _fail(ArtifactError(f"stdout: cannot be written: {error.strerror}"))


def _leave_stdout() -> None:
    """Write to nowhere from here on, so that the flush at exit does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stand_in_for_closed_streams() -> None:
    """Open nowhere where stdin, stdout or stderr is closed (`>&-`), before a socket gets its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


_TYPER_ERROR: Any = typer.BadParameter.__base__
"""Typer's error for any wrong command line; it has had several homes, but BadParameter was always one."""


def _run(argv: Sequence[str]) -> int:
    group: Any = get_command(app)
    if not argv:
        typer.echo(group.get_help(typer.Context(group, info_name=PROGRAM, **_HELP)), err=True)
        return UsageError.exit_code
    own, passed_through = _split(argv)
    name, *rest = legacy.with_command(own, list(group.commands))
    if name not in group.commands:  # --help, --version and their like
        return group.main([name, *rest], prog_name=PROGRAM, standalone_mode=False) or 0
    if passed_through and name not in ("profile", "analyze", "config"):
        raise UsageError(f"genai-perf {name} takes nothing after --")
    invocation = Invocation(redact([PROGRAM, *argv]), passed_through)
    command = group.commands[name]
    return command.main(rest, prog_name=f"{PROGRAM} {name}", standalone_mode=False, obj=invocation) or 0


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What stands before the first bare `--`, and what behind it."""
    if "--" not in argv:
        return argv, ()
    place = list(argv).index("--")
    return argv[:place], argv[place + 1 :]


def _plain(error: Any) -> str:
    """Typer's message in this program's words: `--port: 'x' is not a valid integer`."""
    parameter = getattr(error, "param", None)
    names = getattr(parameter, "opts", None)
    message: str = error.format_message() if not names or not error.message else error.message
    return (f"{names[-1]}: {message}" if names and error.message else message).rstrip(".")


def _fail(error: GenAIPerfError) -> int:
    prefix = "" if isinstance(error, Interrupted) else "error: "
    print(_printable(f"{prefix}{error.message}"), file=sys.stderr)  # noqa: T201
    if error.hint:
        print(_printable(f"hint: {error.hint}"), file=sys.stderr)  # noqa: T201
    return error.exit_code


def _printable(text: str) -> str:
    """Without what a terminal would act on: messages quote files and servers."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
