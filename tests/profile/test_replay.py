"""Replays: what was sent is sent again, in its order and at its instants, to whatever server."""

import json
import re
import shutil
from pathlib import Path

import greeter
import pytest

from genai_perf.cli import main
from genai_perf.engine.journal import read
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

FIXED = "--tokenizer builtin --isl 12 --osl 3 --gpu-telemetry off --no-server-metrics"
MS = 1_000_000


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def made(url):
    """A run with these options; gives its directory."""

    def made(words, kind="chat"):
        argv = f"profile -m gpt2 --endpoint-type {kind} -u {url} {FIXED} --artifact-dir former {words}"
        assert 0 == main(argv.split())
        (directory,) = Path("former").iterdir()
        return directory

    return made


def replayed(former, words="", name="gpt2-openai-chat-replay"):
    """A replay of that run; gives its directory."""
    assert 0 == main(["profile", "--replay", str(former), *words.split()])
    return Path("artifacts") / name


def records(directory, *, by="start_ns"):
    rows = read(directory / "records.arrows")[1].to_pylist()
    assert [None] * len(rows) == [row["error_kind"] for row in rows]
    return sorted(rows, key=lambda row: row[by])


def bodies(directory):
    data = json.loads((directory / "inputs.json").read_text())["data"]
    return [entry["payload"][0] for entry in data]


def sent(directory, *, by="start_ns"):
    """Every body in the order in which they were sent."""
    rows, said = records(directory, by=by), bodies(directory)
    return [(row["phase"], said[row["input_index"]]) for row in rows]


def check_that_it_is_the_same(former, now, *, speed_up=1):
    """Bodies, order, bytes; and due as long after the first of their phase as they were sent then."""
    then, again = records(former), records(now, by="index")
    assert [row["phase"] for row in then] == [row["phase"] for row in again]
    assert [row["request_bytes"] for row in then] == [row["request_bytes"] for row in again]
    assert [(row["conversation"], row["turn"]) for row in then] == [
        (row["conversation"], row["turn"]) for row in again
    ]
    for phase in {row["phase"] for row in then}:
        was, is_now = ([row for row in rows if row["phase"] == phase] for rows in (then, again))
        for before, after in zip(was, is_now, strict=True):
            waited_ns = round((before["start_ns"] - was[0]["start_ns"]) / speed_up)
            assert abs(waited_ns - (after["due_ns"] - is_now[0]["due_ns"])) <= 1
            assert after["start_ns"] >= after["due_ns"]


OPEN = "--streaming --request-rate 150 --request-count 20 --request-distribution poisson "
OPEN += "--warmup-request-count 4"


def test_an_open_loop_with_its_warm_up(made):
    former = made(OPEN)
    now = replayed(former)
    check_that_it_is_the_same(former, now)
    assert sent(former) == sent(now, by="index")


def test_a_closed_loop_whose_instants_followed_the_server(made):
    former = made("--concurrency 3 --request-count 12 --num-prompts 5")
    now = replayed(former)
    check_that_it_is_the_same(former, now)
    # the same rows, so that the file is the same; each is sent as often as it was
    assert (former / "inputs.json").read_bytes() == (now / "inputs.json").read_bytes()
    assert [row["input_index"] for row in records(former)] == [
        row["input_index"] for row in records(now, by="index")
    ]


SESSIONS = "--num-sessions 5 --session-concurrency 2 --session-turns-mean 3 --session-turn-delay-mean 10"


@pytest.mark.parametrize("streaming", ["--streaming", ""], ids=["streamed", "whole"])
def test_conversations_have_the_answers_that_were_given_then(made, streaming):
    former = made(f"{SESSIONS} {streaming}")
    now = replayed(former)
    check_that_it_is_the_same(former, now)
    texts = {(row["conversation"], row["turn"]): row["text"] for row in records(former)}
    said = bodies(now)
    for row in records(now):
        messages = said[row["input_index"]]["messages"]
        answers = [each["content"] for each in messages if each["role"] == "assistant"]
        assert [texts[row["conversation"], turn] for turn in range(row["turn"])] == answers
    report = json.loads((now / "profile_export_genai_perf.json").read_text())
    before = json.loads((former / "profile_export_genai_perf.json").read_text())
    assert report["input_sequence_length"]["avg"] == before["input_sequence_length"]["avg"]
    assert set(report["sessions"]) == set(before["sessions"])


def test_a_replay_of_a_replay_is_the_same_once_more(made):
    former = made(SESSIONS)
    replayed(former, "--artifact-dir first")
    (first,) = Path("first").iterdir()
    second = replayed(first)
    assert (first / "inputs.json").read_bytes() == (second / "inputs.json").read_bytes()
    check_that_it_is_the_same(first, second)


def test_a_replay_is_repeated_from_its_own_config(made, capsys):
    now = replayed(made(OPEN))
    before = (now / "workload.lock").read_bytes()
    capsys.readouterr()
    assert 0 == main(["config", "-f", str(now)])
    assert f"the same workload as in {now}/workload.lock" in capsys.readouterr().err
    assert before == (now / "workload.lock").read_bytes()


def test_it_may_go_faster_and_be_cut_short(made):
    former = made(OPEN)
    check_that_it_is_the_same(former, replayed(former, "--speed-up 4"), speed_up=4)
    short = replayed(former, "--request-count 5")
    assert 5 + 4 == len(records(short))


def test_it_may_go_by_the_instants_at_which_requests_were_due(made):
    former = made("--request-rate 100 --request-count 8")
    due = [row["due_ns"] for row in records(replayed(former, "--replay-by due"), by="index")]
    assert [10 * MS * number for number in range(8)] == [each - due[0] for each in due]


def test_another_server_and_another_model_get_the_same_words(made, capsys):
    former = made("--concurrency 2 --request-count 6")
    with EmbeddedServer(ServerSettings(port=0, ttft_ms=1, itl_ms=0)) as other:
        now = replayed(former, f"-u {other.url} -m other/model", "other_model-openai-chat-replay")
    assert {other.url} == {row["url"] for row in records(now)}
    assert {"other/model"} == {row["model"] for row in records(now)}
    assert [{**body, "model": "other/model"} for body in bodies(former)] == bodies(now)


def test_kinds_of_traffic_stay_what_they_were(made, url):
    Path("mix.yaml").write_text("short: {weight: 2, isl: 5, osl: 2}\nlong: {weight: 1, isl: 30, osl: 4}\n")
    argv = f"profile -m gpt2 --endpoint-type chat -u {url} --tokenizer builtin --gpu-telemetry off "
    argv += (
        "--no-server-metrics --artifact-dir former --traffic mix.yaml --request-rate 200 --request-count 20"
    )
    assert 0 == main(argv.split())
    (former,) = Path("former").iterdir()
    now = replayed(former)
    check_that_it_is_the_same(former, now)
    assert [row["traffic_class"] for row in records(former)] == [
        row["traffic_class"] for row in records(now, by="index")
    ]


def test_embeddings(made):
    former = made("--concurrency 2 --request-count 6", kind="embeddings".replace(" --osl 3", ""))
    check_that_it_is_the_same(former, replayed(former, name="gpt2-openai-embeddings-replay"))


def test_calls_over_grpc():
    Path("calls.jsonl").write_text('{"name": {"given": "Ada"}}\n{"name": {"given": "Grace"}}\n')
    with greeter.serving() as url:
        argv = (
            f"profile -m greeter --endpoint-type dynamic_grpc --grpc-method {greeter.SERVICE}/Greet -u {url} "
        )
        argv += f"--proto {greeter.PROTO} --input-file calls.jsonl --artifact-dir former --request-count 6"
        assert 0 == main(argv.split())
        (former,) = Path("former").iterdir()
        now = replayed(former, name="greeter-dynamic_grpc-dynamic_grpc-replay")
    check_that_it_is_the_same(former, now)
    assert (former / "inputs.json").read_bytes() == (now / "inputs.json").read_bytes()
    lock, again = (json.loads((each / "workload.lock").read_text()) for each in (former, now))
    assert lock["messages"] == again["messages"] != ""


@pytest.fixture(scope="module")
def plain(url, tmp_path_factory):
    """A closed loop of two requests that only the tests read."""
    directory = tmp_path_factory.mktemp("plain")
    argv = f"profile -m gpt2 --endpoint-type chat -u {url} {FIXED} --artifact-dir {directory} -q"
    assert 0 == main([*argv.split(), "--concurrency", "1", "--request-count", "2", "-H", "X-Key:one"])
    return next(directory.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--replay nowhere", "--replay: 'nowhere' is not the directory of a run: it has no config.yaml"),
        ("--replay {run} --concurrency 2", "--concurrency and --replay exclude each other"),
        ("--replay {run} --isl 20", "--synthetic-input-tokens-mean and --replay exclude each other"),
        ("--replay {run}", "{run}/config.yaml:N: input.header: the value of X-Key was not written down"),
        (
            "--replay {run} -H X-Key:one --endpoint-type completions",
            "--endpoint-type: a run of chat cannot be replayed as completions",
        ),
        (
            "--replay {run} -H X-Key:one --streaming",
            "--streaming: the run that is to be replayed was not streamed",
        ),
        (
            "--replay {run} -H X-Key:one --replay-by due",
            "--replay-by due: {run} had no due times: its load followed the server",
        ),
        (
            "--replay {run} -H X-Key:one -m a b c",
            "--model: 3 models cannot stand for the 1 of the former run",
        ),
    ],
)
def test_what_cannot_be_replayed_is_told(words, message, plain, capsys):
    assert 2 == main(["profile", *words.format(run=plain).split()])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    expected = f"error: {message.format(run=plain)}"
    assert [expected] == [re.sub(r"yaml:\d+:", "yaml:N:", line) for line in errors]


def test_a_replay_does_not_replace_what_it_replays(plain, capsys):
    now = replayed(plain, "-H X-Key:two")
    assert 1 == main(["profile", "--replay", str(now), "-H", "X-Key:two"])
    assert f"error: {now}: would replace the run that is to be replayed" in capsys.readouterr().err


def test_files_that_do_not_belong_together_are_not_replayed(plain, tmp_path, capsys):
    changed = tmp_path / "changed"
    shutil.copytree(plain, changed)
    inputs = changed / "inputs.json"
    inputs.write_text(inputs.read_text().replace('"max_tokens": 3', '"max_tokens": 300', 1))
    assert 1 == main(["profile", "--replay", str(changed), "-H", "X-Key:two"])
    assert "row 0 of inputs.json gives a request of " in capsys.readouterr().err
