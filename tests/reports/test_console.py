import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from journal_rows import row
from runs import MS, RUNS, chat, result, streamed, troubled

from genai_perf.reports import Result, console

HERE = Path("artifacts/gpt2-openai-chat-concurrency8")


@pytest.fixture(autouse=True)
def no_terminal_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def printed(run: Result, width: int | None = None, *, verbose: bool = False) -> str:
    out = io.StringIO()
    console.write(run, HERE, file=out, width=width, verbose=verbose)
    return out.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> str:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    out = Terminal()
    console.write(troubled(), HERE, file=out)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("run", ["chat", "troubled"])
def test_the_table_fits_its_terminal(
    run: str, width: int, golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = printed(RUNS[run](), width)
    table = text[: text.index("└")]
    assert max(map(len, table.splitlines())) <= width
    golden(f"console/{run}_{width}.txt", text)


@pytest.mark.parametrize("run", sorted(RUNS))
def test_piped_it_is_wide_and_without_colour(run: str, golden: Callable[[str, str], None]) -> None:
    text = printed(RUNS[run]())
    assert "\x1b" not in text
    golden(f"console/{run}_piped.txt", text)


def test_verbose_shows_every_metric_and_the_windows(golden: Callable[[str, str], None]) -> None:
    golden("console/troubled_verbose.txt", printed(troubled(), verbose=True))


def test_a_terminal_gets_colour_unless_it_asked_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[36m" in on_terminal(monkeypatch, 120)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in on_terminal(monkeypatch, 120).replace("\x1b[3m", "")


def test_what_is_too_wide_for_a_terminal_is_left_out_rather_than_cut() -> None:
    rows = [row((n + 1) * 1_234_567 * 1_000_000, texts=["a"]) for n in range(3)]
    text = printed(result(rows), 80)
    assert "3,703,701.00" in text
    assert "no room for p90 and p75; the files have all" in text
    assert max(map(len, text[: text.index("Requests")].splitlines())) <= 80


def test_a_servers_message_cannot_act_on_the_terminal() -> None:
    text = printed(troubled())
    assert "2 x http_429: rate limit reached ?[31m[bold]" in text


def test_an_output_that_knows_no_unicode_still_gets_every_line() -> None:
    run = chat()
    run = replace(run, summary=replace(run.summary, errors={"decode": (1, "naïve \u2028 ☃" + "x" * 300)}))
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    console.write(run, HERE, file=out)
    out.flush()
    text = raw.getvalue().decode("ascii")
    assert "1 x decode: na\\xefve \\u2603xxx" in text
    assert "xxx...\n" in text
    assert "Time To First Token (ms)" in text


def test_server_counts_are_named_as_such() -> None:
    run = chat()
    config = {**run.info.config, "metrics": {"use_server_token_count": True, "goodput": {}}}
    text = printed(replace(run, info=replace(run.info, config=config)))
    assert "Tokens: counted by the server, or where it does not say by gpt2" in text


def test_one_token_answers_have_no_inter_token_latency_to_show() -> None:
    text = printed(result([row(5 * MS, texts=["a"])]))
    (line,) = [line for line in text.splitlines() if "Inter Token Latency" in line]
    assert line.count("N/A") == 6


def test_a_long_line_stays_one_line_in_a_file() -> None:
    assert "How exact: measuring shifts p99 by at most: " in printed(result(streamed()))
    assert all(line.startswith(("┃", "│", "┏", "┡", "└", "Req", "Tok", "How", "Note", "File", " "))
               for line in printed(chat()).splitlines())  # fmt: skip
