"""End to end against a real model runtime: what a user types, and what the files say afterwards.

Servers differ from what specifications say of them. This one closes its connections after every stream though
it promised to keep them, begins a stream with a role and no text, and keeps a count of its own of the tokens.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from llama_server import SLOT_CONTEXT, SLOTS, LlamaServer
from made_run import FILES, MadeRun
from real_run import REPORTS, figures_again, genai_perf, most_in_flight
from tiny_llama import TEMPLATE_TOKENS

Measure = Callable[..., MadeRun]

ISL, OSL, REQUESTS = 100, 24, 40
WORKLOAD = ("--synthetic-input-tokens-mean", str(ISL), "--output-tokens-mean", str(OSL))
LOAD = ("--request-count", str(REQUESTS), "--concurrency", str(SLOTS))
CHAT, COMPLETIONS = ("--endpoint-type", "chat"), ("--endpoint-type", "completions")
BY_SERVER = "--use-server-token-count"
POISSON = ("--request-rate", "100", "--request-distribution", "poisson")

SCENARIOS = {
    "streaming chat": (*CHAT, "--streaming", BY_SERVER, *WORKLOAD, *LOAD),
    "plain chat": (*CHAT, BY_SERVER, *WORKLOAD, *LOAD),
    "streaming completions": (*COMPLETIONS, "--streaming", BY_SERVER, *WORKLOAD, *LOAD),
    "plain completions": (*COMPLETIONS, BY_SERVER, *WORKLOAD, *LOAD),
    "open loop": (*CHAT, "--streaming", BY_SERVER, *WORKLOAD, *POISSON, "--request-count", str(REQUESTS)),
    "httpx": (*CHAT, "--streaming", BY_SERVER, *WORKLOAD, *LOAD, "--transport", "httpx"),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run, and by how much it raised the server's own counts."""

    options: tuple[str, ...]
    run: MadeRun
    server_output_tokens: float
    server_input_tokens: float

    @property
    def is_chat(self) -> bool:
        return "chat" in self.options

    @property
    def is_streaming(self) -> bool:
        return "--streaming" in self.options


def _counted(server: LlamaServer) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Output and input tokens since it started, as it says itself."""
    read = server.counted("prompt_tokens_total") + server.counted("prompt_tokens_cached_total")
    return np.array([server.counted("tokens_predicted_total"), read])


@pytest.fixture(scope="module", params=list(SCENARIOS.values()), ids=list(SCENARIOS))
def scenario(request: pytest.FixtureRequest, llama: LlamaServer, measure: Measure) -> Scenario:
    before = _counted(llama)
    run = measure(llama, *request.param)
    assert run.exit_code == 0, run.stderr
    return Scenario(request.param, run, *(_counted(llama) - before))


def test_every_request_succeeds_and_nothing_but_the_tokenizer_is_said(
    scenario: Scenario, model: Path
) -> None:
    run = scenario.run
    assert REQUESTS == len(run.answered) == len(run.requests)
    assert REQUESTS == run.export["request_count"]["avg"]
    assert {"length"} == {row["finish_reason"] for row in run.requests}
    assert "0 failed" in run.stdout
    (line,) = run.stderr.splitlines()
    assert line.endswith(f"the tokenizer from {model.parent}")


def test_answers_have_the_tokens_asked_for_by_all_three_counts(scenario: Scenario) -> None:
    run = scenario.run
    stats = run.export["output_sequence_length"]
    assert (OSL, OSL, OSL) == (stats["min"], stats["avg"], stats["max"])
    assert [OSL] * REQUESTS == [row["usage_output_tokens"] for row in run.answered]
    assert OSL * REQUESTS == scenario.server_output_tokens
    if scenario.is_streaming:  # each token of this model is a piece of text of its own
        assert [OSL] * REQUESTS == [len(row["content_ns"]) for row in run.answered]


def test_prompts_have_exactly_the_tokens_asked_for_by_the_servers_own_tokenizer(scenario: Scenario) -> None:
    asked = ISL + (TEMPLATE_TOKENS if scenario.is_chat else 0)
    stats = scenario.run.export["input_sequence_length"]
    assert (asked, asked) == (stats["min"], stats["max"])
    assert asked * REQUESTS == scenario.server_input_tokens
    assert [ISL] * REQUESTS == [row["input_tokens"] for row in scenario.run.answered]


def test_instants_are_in_the_order_in_which_things_happen(scenario: Scenario) -> None:
    for row in scenario.run.answered:
        instants = [
            row["start_ns"],
            row["headers_ns"],
            row["first_byte_ns"],
            *row["content_ns"],
            row["end_ns"],
        ]
        assert instants == sorted(instants)
        assert row["start_ns"] < row["headers_ns"]
        # not before the headers: the answer may be there before the system lets us note that all was sent
        assert row["start_ns"] <= row["sent_ns"] <= row["end_ns"]
        assert 0 < len(row["text"]) == sum(row["content_chars"])


def test_json_and_csv_say_what_the_journal_gives_when_it_is_reckoned_again(scenario: Scenario) -> None:
    export, cells = scenario.run.export, scenario.run.csv
    by_title = {heading.partition(" (")[0]: row for heading, row in cells.items()}
    for tag, figure in figures_again(scenario.run).items():
        stats, row = export[tag], by_title.get(tag.replace("_", " ").title())
        if isinstance(figure, np.ndarray):
            again = {"avg": figure.mean(), "min": figure.min(), "max": figure.max(), "std": figure.std()}
            again |= {f"p{p}": np.percentile(figure, p) for p in (1, 5, 10, 25, 50, 75, 90, 95, 99)}
            shown_in_csv = {name: f"{stats[name]:,.2f}" for name in again if name != "std"}
        else:
            again, shown_in_csv = {"avg": figure}, {"Value": f"{stats['avg']:,.2f}"}
        # gaps between tokens are rounded to whole ns, as GenAI-Perf's are
        assert again == pytest.approx({name: stats[name] for name in again}, rel=1e-9, abs=1e-6), tag
        assert row is None or row == shown_in_csv, tag
    expected = {"Request Latency", "Request Throughput", "Request Count", "Output Sequence Length"}
    expected |= {"Time To First Token", "Inter Token Latency"} if scenario.is_streaming else set()
    assert expected <= by_title.keys()
    assert scenario.is_streaming == ("Time To First Token" in by_title)


def test_the_files_are_complete_and_tell_of_the_same_requests(scenario: Scenario) -> None:
    run = scenario.run
    assert FILES == {file.name for file in run.directory.iterdir()}
    exported = sorted(run.experiment["requests"], key=lambda request: request["timestamp"])
    recorded = sorted(run.answered, key=lambda row: row["start_ns"])
    assert len(recorded) == len(exported)
    origin_ns = exported[0]["timestamp"] - recorded[0]["start_ns"]
    for request, row in zip(exported, recorded, strict=True):
        assert row["start_ns"] == request["timestamp"] - origin_ns
        assert row["content_ns"] == [at_ns - origin_ns for at_ns in request["response_timestamps"]]
        assert run.bodies[row["input_index"]] == json.loads(request["request_inputs"]["payload"])
    assert {OSL} == {body["max_tokens"] for body in run.bodies}


def test_the_reports_made_again_from_the_journal_are_the_same(scenario: Scenario, tmp_path: Path) -> None:
    copy = tmp_path / scenario.run.directory.name
    shutil.copytree(scenario.run.directory, copy, ignore=shutil.ignore_patterns(*REPORTS))
    again = genai_perf("report", str(copy))
    assert (0, "") == (again.returncode, again.stderr)
    assert _without_paths(scenario.run.stdout) == _without_paths(again.stdout)
    for name in REPORTS:
        assert (scenario.run.directory / name).read_text() == (copy / name).read_text(), name


def _without_paths(table: str) -> list[str]:
    return [line for line in table.splitlines() if not line.startswith("Files: ")]


@pytest.mark.parametrize("concurrency", [1, SLOTS, 3 * SLOTS])
def test_a_closed_loop_keeps_exactly_its_concurrency(
    llama: LlamaServer, measure: Measure, concurrency: int
) -> None:
    load = ("--concurrency", str(concurrency), "--request-count", "48", "--warmup-request-count", "5")
    run = measure(llama, *CHAT, "--streaming", *WORKLOAD, *load)
    assert (0, 48) == (run.exit_code, len(run.answered))
    assert concurrency == most_in_flight(run)


def test_connections_that_the_server_closes_are_opened_again_outside_every_latency(
    llama: LlamaServer, measure: Measure
) -> None:
    run = measure(llama, *CHAT, "--streaming", *WORKLOAD, "--concurrency", "1", "--request-count", "20")
    rows = run.answered
    assert [None] == [row["connect_ns"] for row in rows if not row["connect_ns"]]  # the first was open before
    for earlier, later in pairwise(rows):
        assert later["connect_ns"] <= later["start_ns"] - earlier["end_ns"]


def test_a_connection_that_lives_for_a_hundred_requests_is_followed_by_another(
    llama: LlamaServer, measure: Measure
) -> None:
    short = ("--synthetic-input-tokens-mean", "10", "--output-tokens-mean", "1")
    run = measure(llama, *CHAT, *short, "--concurrency", "1", "--request-count", "250")
    assert (0, 250) == (run.exit_code, len(run.answered))
    assert 2 == sum(row["connect_ns"] is not None for row in run.answered)


def test_an_open_loop_sends_the_same_arrivals_again_and_none_too_early(
    llama: LlamaServer, measure: Measure
) -> None:
    options = (*CHAT, "--streaming", *WORKLOAD, *POISSON, "--request-count", "40")
    runs = [measure(llama, *options) for _ in range(2)]
    first, second = (
        [row["due_ns"] for row in sorted(run.answered, key=lambda row: row["index"])] for run in runs
    )
    assert 40 == len(first)
    assert np.diff(first).tolist() == np.diff(second).tolist()
    assert 39 == len({*np.diff(first)})
    for run in runs:
        assert all(row["due_ns"] <= row["start_ns"] for row in run.requests)
        due, sent = run.export["time_to_first_token_from_due"], run.export["time_to_first_token"]
        assert sent["avg"] <= due["avg"]


def test_a_journal_can_be_read_again_with_the_servers_token_counts(
    llama: LlamaServer, measure: Measure
) -> None:
    run = measure(llama, *COMPLETIONS, *WORKLOAD, *LOAD)
    counted = run.export["output_sequence_length"]
    assert counted["avg"] != OSL  # random tokens merge differently when their text is tokenized
    assert counted["avg"] == pytest.approx(OSL, rel=0.2)
    assert OSL == run.export["output_sequence_length_server"]["avg"]

    again = genai_perf("report", str(run.directory), BY_SERVER, "--goodput", "request_latency:60000")
    assert 0 == again.returncode
    assert OSL == run.export["output_sequence_length"]["avg"]
    assert run.export["request_throughput"]["avg"] == run.export["request_goodput"]["avg"]


def test_the_old_command_line_measures_the_same_server(
    llama: LlamaServer, model: Path, tmp_path: Path
) -> None:
    old = (
        f"-m tiny-llama --service-kind openai --endpoint-type chat --tokenizer {model.parent} -u {llama.url}"
    )
    own = f"--artifact-dir {tmp_path} --synthetic-input-tokens-mean {ISL} --streaming"
    passed_through = "--concurrency-range 3 --request-count 9 --max-threads 3"
    extra = ["--extra-inputs", f"max_tokens:{OSL}"]
    done = genai_perf(*old.split(), *own.split(), *extra, "--", *passed_through.split())
    run = MadeRun(done.returncode, done.stdout, done.stderr, tmp_path)
    assert (0, 9) == (run.exit_code, len(run.answered)), run.stderr
    assert 3 == most_in_flight(run)


def test_embeddings_are_measured_in_batches(embedder: LlamaServer, measure: Measure) -> None:
    batches = ("--batch-size-text", "3", "--synthetic-input-tokens-mean", "50")
    run = measure(embedder, "--endpoint-type", "embeddings", *batches, *LOAD)
    assert (0, REQUESTS) == (run.exit_code, len(run.answered)), run.stderr
    assert {3} == {len(body["input"]) for body in run.bodies}
    assert {150} == {row["usage_input_tokens"] for row in run.answered}
    for tag in ("request_throughput", "request_count"):
        assert figures_again(run)[tag] == pytest.approx(run.export[tag]["avg"]), tag
    assert figures_again(run)["request_latency"].mean() == pytest.approx(run.export["request_latency"]["avg"])
    assert {"Request Latency (ms)", "Request Throughput (per sec)", "Request Count (count)"} == run.csv.keys()
    assert "Embeddings Metrics" in run.stdout


def _write_prompts(path: Path, *texts: str) -> str:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


TOO_LONG = "the list " * SLOT_CONTEXT


def test_a_prompt_that_is_too_long_is_counted_with_the_servers_words(
    llama: LlamaServer, measure: Measure, tmp_path: Path
) -> None:
    prompts = _write_prompts(tmp_path / "prompts.jsonl", "What is a class?", TOO_LONG, "What is a list?")
    load = ("--concurrency", "2", "--request-count", "12")
    run = measure(llama, *CHAT, "--streaming", "--input-file", prompts, "--output-tokens-mean", "8", *load)
    assert 0 == run.exit_code
    assert (8, 4) == (run.export["request_count"]["avg"], run.export["error_count"]["avg"])
    assert ["http_400"] == list(run.export["errors"])
    assert 4 == run.export["errors"]["http_400"]["count"]
    assert "exceeds the available context size" in run.export["errors"]["http_400"]["message"]
    assert "4 x http_400: request (" in run.stdout
    assert {400} == {row["status"] for row in run.requests if row["error_kind"]}
    assert (8, 4) == (len(run.experiment["requests"]), len(run.experiment["unanswered_requests"]))


def test_a_run_in_which_everything_fails_is_an_error_in_the_servers_words(
    llama: LlamaServer, measure: Measure, tmp_path: Path
) -> None:
    prompts = _write_prompts(tmp_path / "prompts.jsonl", TOO_LONG)
    run = measure(llama, *CHAT, "--streaming", "--input-file", prompts, "--request-count", "12")
    assert (1, "") == (run.exit_code, run.stdout)
    assert "error: every request failed: " in run.stderr
    assert "with http_400: request (" in run.stderr
    assert {"http_400"} == {row["error_kind"] for row in run.requests}


def test_a_server_that_has_no_embeddings_is_an_error_in_its_words(
    llama: LlamaServer, measure: Measure
) -> None:
    run = measure(llama, "--endpoint-type", "embeddings")
    assert 1 == run.exit_code
    assert "with http_501: This server does not support embeddings." in run.stderr


def test_without_its_key_the_server_refuses_and_the_hint_says_how_to_give_it(
    locked_llama: LlamaServer, measure: Measure
) -> None:
    run = measure(locked_llama, *CHAT)
    assert (1, "") == (run.exit_code, run.stdout)
    assert "with http_401: Invalid API Key" in run.stderr
    assert "hint: give the key with -H 'Authorization: Bearer …'" in run.stderr


def test_with_its_key_the_server_answers_and_the_key_is_in_no_file(
    locked_llama: LlamaServer, measure: Measure, api_key: str
) -> None:
    run = measure(
        locked_llama, *CHAT, "--streaming", "-v", *WORKLOAD, "-H", f"Authorization: Bearer {api_key}"
    )
    assert (0, 10) == (run.exit_code, len(run.answered)), run.stderr
    assert api_key not in run.stdout + run.stderr
    for file in run.directory.iterdir():
        assert api_key.encode() not in file.read_bytes(), file.name
    assert "Authorization: ***" in (run.directory / "run.json").read_text()
