"""Several kinds of traffic in one run: what is sent of each, and what the reports tell of each."""

import json
from collections import Counter
from pathlib import Path

import pytest

from genai_perf.cli import main
from genai_perf.engine.journal import read
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

MIX = """
short:
  weight: 3
  isl: 20
  osl: 4
  goodput: {request_latency: 1000000}
long:
  weight: 1
  isl: 60
  osl: [8]
  model: large
  extra-inputs: {temperature: 0.5}
  goodput: {request_latency: 0.001}
"""


@pytest.fixture(scope="module")
def url():
    settings = ServerSettings(
        port=0, ttft_ms=2, ttft_per_input_token_ms=0, itl_ms=1, itl_per_request_ms=0, context_length=100
    )
    with EmbeddedServer(settings) as server:
        yield server.url


@pytest.fixture
def profile(url, tmp_path, monkeypatch, capsys):
    """Runs `profile` with a mix; gives the exit code, what was printed, and the run's directory."""
    monkeypatch.chdir(tmp_path)

    def profile(mix, words="--request-count 200"):
        Path("mix.yaml").write_text(mix)
        fixed = "profile -m gpt2 --endpoint-type chat --streaming --tokenizer builtin --concurrency 4"
        code = main([*fixed.split(), "-u", url, "--traffic", "mix.yaml", *words.split()])
        return code, capsys.readouterr(), Path("artifacts/gpt2-openai-chat-concurrency4")

    return profile


def test_each_kind_has_its_share_its_prompts_its_model_and_its_row(profile):
    code, seen, directory = profile(MIX)
    assert 0 == code
    rows = read(directory / "records.arrows")[1].to_pylist()
    counts = Counter(row["traffic_class"] for row in rows)
    assert 200 == sum(counts.values())
    assert 120 < counts["short"] < 180
    for row in rows:
        expected = ("gpt2", 20, 4) if row["traffic_class"] == "short" else ("large", 60, 8)
        assert expected == (row["model"], row["input_tokens"], len(row["content_ns"]))
        assert row["conversation"].startswith(row["traffic_class"])
    report = json.loads((directory / "profile_export_genai_perf.json").read_text())
    short, long = report["traffic_classes"]["short"], report["traffic_classes"]["long"]
    assert (3, 1) == (short["weight"], long["weight"])
    assert (counts["short"], counts["long"]) == (short["request_count"]["avg"], long["request_count"]["avg"])
    assert report["request_throughput"]["avg"] == pytest.approx(
        short["request_throughput"]["avg"] + long["request_throughput"]["avg"]
    )
    assert (100, 0) == (short["good_request_share"]["avg"], long["good_request_share"]["avg"])
    assert (4, 8) == (short["output_sequence_length"]["avg"], long["output_sequence_length"]["avg"])
    assert "By kind of traffic" in seen.out
    bodies = [entry["payload"][0] for entry in json.loads((directory / "inputs.json").read_text())["data"]]
    assert {None, 0.5} == {body.get("temperature") for body in bodies}
    assert {"large"} == {body["model"] for body in bodies if "temperature" in body}


def test_the_same_seed_draws_the_same_mix(profile):
    def drawn():
        directory = profile(MIX, "--request-count 50")[2]
        rows = read(directory / "records.arrows")[1].to_pylist()
        return [row["traffic_class"] for row in sorted(rows, key=lambda row: row["index"])]

    assert drawn() == drawn()


def test_conversations_and_single_requests_go_together(profile):
    chat = "chat: {weight: 1, num-sessions: 3, session-turns-mean: 3, isl: 10, osl: 2}"
    mix = f"{chat}\nask: {{weight: 1, isl: 10, osl: 2}}\n"
    code, _, directory = profile(mix, "--request-count 40")
    assert 0 == code
    rows = read(directory / "records.arrows")[1].to_pylist()
    turns = {
        kind: Counter(row["turn"] for row in rows if row["traffic_class"] == kind) for kind in ("chat", "ask")
    }
    assert {0: turns["chat"][0], 1: turns["chat"][0], 2: turns["chat"][0]} == turns["chat"]
    assert 40 == turns["chat"][0] + turns["ask"][0]
    assert {0} == set(turns["ask"])


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ("", "mix.yaml: no kind of traffic in it"),
        ("a: {isl: 5}", "mix.yaml:1: a: has no weight"),
        ("a:\n  weight: 0\n", "mix.yaml:2: a.weight: 0 is not more than 0"),
        ("a:\n  weight: heavy\n", "mix.yaml:2: a.weight: 'heavy' is not a number"),
        (
            "a:\n  weight: 1\n  ils: 5\n",
            "mix.yaml:3: a.ils: no option of a kind of traffic; did",
        ),
        ("a:\n  weight: 1\n  concurrency: 5\n", "mix.yaml:3: a.concurrency: no option of a kind of traffic"),
        ("a:\n  weight: 1\n  isl: many\n", "mix.yaml:3: a.isl: 'many' is not a whole number"),
        ("a:\n  weight: 1\n  weight: 2\n", "mix.yaml:3: weight is given twice"),
        ("- a\n", "mix.yaml:1: not a mapping"),
        ("a: [1, {", "not YAML"),
        (
            "a:\n  weight: 1\n  input-file: nowhere.jsonl\n",
            "'nowhere.jsonl' is not a valid file",
        ),
        ("a:\n  weight: 1\n  goodput: {zebra: 1}\n", "no metric named 'zebra'"),
    ],
)
def test_a_bad_mix_is_one_line_before_the_first_request(profile, mix, message):
    code, seen, directory = profile(mix)
    assert 2 == code
    assert message in seen.err
    assert not directory.exists()


@pytest.mark.parametrize(
    ("words", "conversations"),
    [
        ("--num-sessions 3 --session-concurrency 2", 10),
        ("--num-sessions 3 --session-concurrency 2 --request-count 15", 15),
        ("--num-sessions 3 --session-request-rate 40 --request-count 12", 12),
    ],
)
def test_a_mix_of_nothing_but_conversations_ends_too(url, tmp_path, monkeypatch, words, conversations):
    monkeypatch.chdir(tmp_path)
    Path("mix.yaml").write_text("a: {weight: 1, isl: 5}\nb: {weight: 1, isl: 6}\n")
    fixed = (
        "profile -m gpt2 --endpoint-type chat --streaming --tokenizer builtin --osl 2 --traffic mix.yaml -u"
    )
    assert 0 == main([*fixed.split(), url, *words.split()])
    (path,) = tmp_path.glob("artifacts/*/records.arrows")
    rows = read(path)[1].to_pylist()
    assert conversations == sum(row["turn"] == 0 for row in rows)
    assert {"a", "b"} == {row["traffic_class"] for row in rows}
