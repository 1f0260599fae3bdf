import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_rows import failed, row
from parser_rules import parse
from runs import CHAT, RUNS, result, troubled, write_inputs

from genai_perf.config.schema import Config, LoadConfig
from genai_perf.exceptions import ArtifactError
from genai_perf.reports import Result, raw
from genai_perf.types import Stats

COMPLETIONS = replace(CHAT, endpoint=replace(CHAT.endpoint, type="completions"))
OURS = {
    "time_to_first_token": "ttft",
    "time_to_second_token": "ttst",
    "request_latency": "latency",
    "inter_token_latency": "itl",
    "output_sequence_length": "osl",
}


def export(run: Result, directory: Path) -> dict[str, Any]:
    write_inputs(directory, run.info.endpoint)
    exported: dict[str, Any] = json.loads(raw.write(run, directory).read_text())
    return exported


def agrees(run: Result, directory: Path) -> None:
    """GenAI-Perf's parser finds in the file what we found in the journal."""
    write_inputs(directory, run.info.endpoint)
    parsed = parse(raw.write(run, directory), len)
    for tag, name in OURS.items():
        if not run.produces_tokens and tag != "request_latency":
            continue
        ours = run.summary.metrics.get(tag)
        if ours is None:
            assert parsed[name] == []
            continue
        assert isinstance(ours, Stats)
        assert ours.count == len(parsed[name])
        assert ours.avg == pytest.approx(np.mean(parsed[name]), rel=1e-12)
        assert ours.percentiles["p99"] == pytest.approx(np.percentile(parsed[name], 99), rel=1e-12)
        assert ours.std == pytest.approx(np.std(parsed[name]), rel=1e-9, abs=1e-6)
    for tag in ("request_throughput", "output_token_throughput"):
        if tag in run.summary.metrics:
            assert run.summary.metrics[tag] == pytest.approx(parsed[tag])


@pytest.mark.parametrize("name", sorted(RUNS))
def test_genai_perfs_parser_finds_the_same_numbers(name: str, tmp_path: Path) -> None:
    agrees(RUNS[name](), tmp_path)


@pytest.mark.parametrize("config", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("path", ["", "my/own/path"])
@pytest.mark.parametrize("streaming", [True, False])
def test_also_on_a_path_of_ones_own(config: Config, path: str, streaming: bool, tmp_path: Path) -> None:
    endpoint = replace(config.endpoint, path=path or None, streaming=streaming)
    texts = ["one"] if not streaming else ["one", " two"]
    arrivals = [5_000_000 + place for place in range(len(texts))]
    agrees(result([failed(), row(*arrivals, texts=texts)], replace(config, endpoint=endpoint)), tmp_path)


answers = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=6
)


@given(texts=st.lists(answers, min_size=1, max_size=5), config=st.sampled_from([CHAT, COMPLETIONS]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_text_is(texts: list[list[str]], config: Config, tmp_path: Path) -> None:
    rows = [
        row(*(start * 7 + 1_000_003 * (place + 1) for place in range(len(text))), texts=text, start_ns=start)
        for start, text in enumerate(texts)
    ]
    agrees(result(rows, config), tmp_path)


@pytest.mark.parametrize("name", ["chat", "troubled", "embeddings"])
def test_the_file_is_compact_and_as_perf_analyzer_writes_it(
    name: str, tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    write_inputs(tmp_path, RUNS[name]().info.endpoint)
    golden(f"raw/{name}.json", raw.write(RUNS[name](), tmp_path).read_text())


def test_a_request_is_written_as_the_specification_shows_it(tmp_path: Path) -> None:
    (experiment,) = export(result([row(5_000_000, 6_000_000, texts=["ab", "cd"])]), tmp_path)["experiments"]
    (request,) = experiment["requests"]
    assert request["timestamp"] == 1_700_000_000_000_000_000
    assert request["response_timestamps"] == [1_700_000_000_005_000_000, 1_700_000_000_006_000_000]
    assert request["response_outputs"][0]["response"] == (
        'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"ab"}}]}\n\n'
    )
    assert json.loads(request["request_inputs"]["payload"])["messages"][0]["content"] == "twelve chars"
    assert ": " not in request["request_inputs"]["payload"].replace('": ', "")


def test_what_failed_stands_apart_with_its_error_and_what_came_until_then(tmp_path: Path) -> None:
    broken = row(5, 6, texts=["a", "b"], error_kind="reset", error_message="by peer", due_ns=0)
    exported = export(result([broken, failed(), row(9), row()]), tmp_path)["experiments"][0]
    assert len(exported["requests"]) == 1
    first, second, empty = exported["unanswered_requests"]
    assert (first["error"], first["http_status"], len(first["response_outputs"])) == (
        "reset: by peer",
        200,
        2,
    )
    assert first["scheduled_timestamp"] == 1_700_000_000_000_000_000
    assert (second["error"], second["http_status"]) == ("http_500: out of memory", 500)
    assert empty["error"] == "empty: no visible text"


@pytest.mark.parametrize(
    ("load", "experiment"),
    [
        (LoadConfig(concurrency=8), {"mode": "concurrency", "value": 8}),
        (LoadConfig(), {"mode": "concurrency", "value": 1}),
        (LoadConfig(periodic_concurrency_range="2:8:2"), {"mode": "concurrency", "value": 8}),
        (LoadConfig(request_rate=50), {"mode": "request_rate", "value": 50.0}),
        (LoadConfig(request_intervals=Path("gaps.txt")), {"mode": "request_rate", "value": 1000.0}),
    ],
)
def test_the_experiment_is_found_by_its_load(load: LoadConfig, experiment: object, tmp_path: Path) -> None:
    rows = [row(9_000_000, due_ns=place * 1_000_000) for place in range(5)]
    assert (
        export(result(rows, replace(CHAT, load=load)), tmp_path)["experiments"][0]["experiment"] == experiment
    )


def test_windows_are_contiguous_boundaries(tmp_path: Path) -> None:
    origin = 1_700_000_000_000_000_000
    boundaries = export(troubled(), tmp_path)["experiments"][0]["window_boundaries"]
    assert [edge - origin for edge in boundaries] == [0, 5_000_000_000, 10_000_000_000, 15_000_000_000]
    one = export(result([row(9, start_ns=4), row(8, start_ns=3)]), tmp_path)
    assert [edge - origin for edge in one["experiments"][0]["window_boundaries"]] == [3, 9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "inputs.json: cannot be read: No such file"),
        ("{", "not the inputs of a run"),
        ("{}", "not the inputs of a run"),
        ('{"data": [{"text": 1}]}', "row 0"),
    ],
)
def test_without_the_inputs_there_is_no_raw_export(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(ArtifactError, match=message):
        raw.write(result([row(5)]), tmp_path)


def test_images_and_audio_are_cut_short_and_texts_are_not(tmp_path: Path) -> None:
    url, text = "data:image/png;base64," + "iVBO+/" * 3_000 + "==", "word " * 3_000
    content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    body = {"messages": [{"role": "user", "content": content}]}
    (tmp_path / "inputs.json").write_text(json.dumps({"data": [{"payload": [body]}]}))
    exported = json.loads(raw.write(result([row(9)]), tmp_path).read_text())
    (shown,) = exported["experiments"][0]["requests"]
    words, image = json.loads(shown["request_inputs"]["payload"])["messages"][0]["content"]
    assert text == words["text"]
    assert image["image_url"]["url"] == url[: len("data:image/png;base64,") + 64] + "…"


def test_an_empty_file_holds_no_inputs(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text("")
    with pytest.raises(ArtifactError, match=r"not the inputs of a run"):
        raw.write(result([row(9)]), tmp_path)


def test_a_conversations_session_is_kept(tmp_path: Path) -> None:
    entry = {"payload": [{"messages": []}], "session_id": ["s1"], "delay": [500]}
    (tmp_path / "inputs.json").write_text(json.dumps({"data": [entry]}))
    exported = json.loads(raw.write(result([row(5)]), tmp_path).read_text())
    inputs = exported["experiments"][0]["requests"][0]["request_inputs"]
    assert (inputs["session_id"], inputs["delay"]) == ("s1", 500)
