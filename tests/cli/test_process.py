"""The program as a shell sees it: help, streams, exit codes, what it loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import genai_perf


def run(*argv, **variables):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GENAI_PERF_")}
    environ |= {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **variables}
    return subprocess.run(
        [sys.executable, "-m", "genai_perf", *argv],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command", ["", "profile", "analyze", "config", "create-template", "report", "serve"]
)
def test_help_reads_like_this(command, golden):
    seen = run(*command.split(), "--help")
    assert (0, "") == (seen.returncode, seen.stderr)
    assert max(len(line) for line in seen.stdout.splitlines()) <= 80
    golden(f"help/{command or 'genai-perf'}.txt", seen.stdout)


def test_without_a_command_help_goes_to_stderr_and_the_exit_code_is_2():
    seen = run()
    assert (2, "") == (seen.returncode, seen.stdout)
    assert run("--help").stdout == seen.stderr


def test_version_goes_to_stdout_with_what_matters_for_a_result():
    seen = run("--version")
    assert (0, "") == (seen.returncode, seen.stderr)
    first, *others = seen.stdout.splitlines()
    assert f"genai-perf {genai_perf.__version__}" == first
    assert {"python", "uvloop", "httptools", "system"} <= {line.split()[0] for line in others}
    assert any(line.startswith("arrival stamps ") for line in others)


def test_an_error_is_on_stderr_alone():
    seen = run("profile", "--concurency", "3")
    expected = "error: no option --concurency; did you mean --concurrency?\n"
    assert (2, "", expected) == (seen.returncode, seen.stdout, seen.stderr)


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}, {}])
def test_help_and_errors_have_no_colour(variables):
    assert "\x1b" not in run("profile", "--help", **variables).stdout
    assert "\x1b" not in run("profil", **variables).stderr


def test_a_reader_who_leaves_is_no_error_to_tell():
    reader, writer = os.pipe()
    os.close(reader)
    seen = subprocess.run(
        [sys.executable, "-m", "genai_perf", "profile", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (1, "") == (seen.returncode, seen.stderr)


def test_a_full_stdout_is_told_in_one_line():
    with Path("/dev/full").open("w") as full:
        seen = subprocess.run(
            [sys.executable, "-m", "genai_perf", "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (1, "error: stdout: cannot be written: No space left on device\n") == (
        seen.returncode,
        seen.stderr,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_needs_none_of_the_standard_streams(closed, tmp_path):
    line = (
        f'exec "{sys.executable}" -m genai_perf profile -m gpt2 --tokenizer builtin --endpoint-type chat '
        f"--url embedded --isl 5 --osl 1 --request-count 1 {closed}"
    )
    seen = subprocess.run(
        ["/bin/sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == seen.returncode, seen.stderr
    assert list(tmp_path.glob("artifacts/*/profile_export_genai_perf.json"))


def test_a_ctrl_c_while_it_loads_is_no_traceback():
    code = """
import sys
class Pressed:
    def find_spec(self, name, *_):
        if name == "genai_perf.cli.commands":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Pressed())
from genai_perf.__main__ import main
sys.exit(main())
"""
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (130, "", "") == (seen.returncode, seen.stdout, seen.stderr)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("genai-perf pro", ["profile", "process-export-files"]),
        ("genai-perf profile --concur", ["--concurrency", "--concurrency-schedule"]),
        ("genai-perf profile -m gpt2 --transport n", ["native"]),
    ],
)
def test_a_shell_is_told_what_may_come_next(words, expected):
    place = str(len(words.split()) - 1)
    seen = run(_GENAI_PERF_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=place)
    assert (0, expected) == (seen.returncode, seen.stdout.split())


@pytest.mark.parametrize("command", [[], ["profile"], ["analyze"], ["config"]])
def test_help_loads_nothing_heavy(command):
    code = "import sys; from genai_perf.cli import main; "
    code += f"main({[*command, '--help']}); print(*sys.modules, file=sys.stderr)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stderr.split()
    heavy = {
        "PIL",
        "asyncio",
        "email",
        "google.protobuf",
        "grpc",
        "h2",
        "http",
        "httptools",
        "httpx",
        "importlib.metadata",
        "jinja2",
        "msgspec",
        "multiprocessing",
        "numpy",
        "pyarrow",
        "pydantic",
        "rich",
        "sqlite3",
        "ssl",
        "tokenizers",
        "transformers",
        "uvloop",
        "yaml",
    }
    assert set() == heavy & set(loaded)
