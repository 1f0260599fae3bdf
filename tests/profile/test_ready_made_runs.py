"""Whole runs of requests that are ready: what was sent, when, and what the run leaves is that file again."""

import json
import struct
import sys
from pathlib import Path

import greeter
import pytest

from genai_perf.cli import main
from genai_perf.engine.journal import read

SAMPLE = Path(__file__).parents[2] / "inputs" / "requests.json"
MS = 1_000_000
FIXED = "-m gpt2 --tokenizer builtin --gpu-telemetry off --no-server-metrics --endpoint-type"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def profile(url):
    """A run with these options; gives its directory."""

    def profile(words, *, kind="chat --streaming", expected=0, command="profile"):
        before = set(Path("artifacts").glob("*"))
        assert expected == main(f"{command} {FIXED} {kind} -u {url} {words}".split())
        new = set(Path("artifacts").glob("*")) - before
        return new.pop() if new else None

    return profile


def records(directory):
    rows = read(directory / "records.arrows")[1].to_pylist()
    assert [None] * len(rows) == [row["error_kind"] for row in rows]
    return sorted(rows, key=lambda row: row["index"])


def write(name, rows):
    """A file as a run would have written it."""
    Path(name).write_text(json.dumps({"data": rows}, indent=2))


def asks(text, **more):
    return {"model": "gpt2", "messages": [{"role": "user", "content": text}], "stream": True, **more}


ROWS = [
    {"payload": [asks("one two", max_tokens=2)]},
    {"payload": [asks("ä", seed=1)]},
    {"payload": [asks("")]},
]


def check_bytes(directory, rows):
    """Each request had the bytes of its row, compactly encoded."""
    encoded = [
        len(json.dumps(row["payload"][0], separators=(",", ":"), ensure_ascii=False).encode()) for row in rows
    ]
    for row in records(directory):
        assert encoded[row["input_index"]] == row["request_bytes"]


@pytest.mark.parametrize(
    ("load", "places"),
    [
        ("--concurrency 2 --request-count 5", [0, 1, 2, 0, 1]),
        ("--request-rate 200 --request-count 4", [0, 1, 2, 0]),
        ("--concurrency 1 --request-count 3 --warmup-request-count 2", [0, 1, 2, 0, 1]),
        ("--concurrency 1 --request-count 3 --input-row-limit 2", [0, 1, 0]),
        ("-- --concurrency-range 3 --request-count 3", [0, 1, 2]),
    ],
)
def test_any_load_takes_the_rows_in_turn(profile, load, places):
    write("mine.json", ROWS)
    file = "--input-file inputs:mine.json " if "-- " not in load else ""
    run = profile(file + load + (" --input-data mine.json" if "-- " in load else ""))
    assert places == [row["input_index"] for row in records(run)]
    check_bytes(run, ROWS)
    rows = ROWS[: 2 if "limit" in load else 3]
    assert json.dumps({"data": rows}, indent=2) == (run / "inputs.json").read_text()
    report = json.loads((run / "profile_export_genai_perf.json").read_text())
    assert report["input_sequence_length"]["max"] > 1


def test_an_endpoint_without_text_takes_its_bodies(profile):
    rows = [{"payload": [{"model": "gpt2", "input": ["a", "b"], "user": "me"}]}]
    write("mine.json", rows)
    run = profile("--input-file inputs:mine.json --request-count 2", kind="embeddings")
    check_bytes(run, rows)
    assert Path("mine.json").read_bytes() == (run / "inputs.json").read_bytes()


IMAGES = "--image-width-mean 16 --image-height-mean 16"
KINDS = {
    "completions --streaming": "--isl 5 --osl 2",
    "responses --streaming": "--isl 5 --osl 2",
    "messages --streaming": "--isl 5 --osl 2",
    "huggingface_generate --streaming": "--isl 5 --osl 2",
    "multimodal --streaming": f"--isl 5 --osl 2 {IMAGES}",
    "nvclip": IMAGES,
    "image_retrieval": IMAGES,
    "rankings": "--isl 5",
    "rerank": "--isl 5",
}


@pytest.mark.parametrize(("kind", "made"), KINDS.items(), ids=[kind.split()[0] for kind in KINDS])
def test_what_a_run_left_is_sent_again_over_any_api(profile, kind, made):
    load = "--num-prompts 2 --request-count 2"
    first = profile(f"{made} {load}", kind=kind)
    again = profile(
        f"--input-file inputs:{first}/inputs.json --request-rate 100 --request-count 2", kind=kind
    )
    assert (first / "inputs.json").read_bytes() == (again / "inputs.json").read_bytes()
    for name in ("request_bytes", "images", "input_tokens"):
        counts = [{row["input_index"]: row[name] for row in records(run)} for run in (first, again)]
        if name == "input_tokens" and "--osl" not in made:
            counts[0] = {0: None, 1: None}  # no figure needs them of a file: no tokenizer is loaded
        assert counts[0] == counts[1]


def test_conversations_go_on_with_the_servers_answers(profile):
    first = profile(f"--input-file inputs:{SAMPLE} --session-concurrency 2")
    said = {(row["conversation"], row["turn"]): row for row in records(first)}
    assert {("rivers", 0), ("rivers", 1), ("watershed", 0)} == set(said)
    before, after = said["rivers", 0], said["rivers", 1]
    assert after["start_ns"] >= before["end_ns"] + 100 * MS
    rows = json.loads((first / "inputs.json").read_text())["data"]
    assert ["rivers", "rivers", "watershed"] == [row["session_id"][0] for row in rows]
    alone, asked = (row["payload"][0] for row in rows[:2])
    answer = {"role": "assistant", "content": before["text"]}
    sent = {**asked, "messages": [*alone["messages"], answer, *asked["messages"]]}
    compact = json.dumps(sent, separators=(",", ":"), ensure_ascii=False)
    assert len(compact.encode()) == after["request_bytes"]

    again = profile(f"--input-file inputs:{first}/inputs.json --session-concurrency 1")
    assert (first / "inputs.json").read_bytes() == (again / "inputs.json").read_bytes()


def test_instants_are_kept(profile):
    rows = [{"payload": [asks(str(at))], "timestamp": [at]} for at in (40, 10, 40, 90)]
    write("mine.json", rows)
    run = profile("--input-file inputs:mine.json --speed-up 2")
    assert "gpt2-openai-chat-fixed_schedule" == run.name
    assert [(1, 0), (0, 15 * MS), (2, 15 * MS), (3, 40 * MS)] == [
        (row["input_index"], row["due_ns"] - records(run)[0]["due_ns"]) for row in records(run)
    ]
    assert Path("mine.json").read_bytes() == (run / "inputs.json").read_bytes()
    assert "end_of_trace" == json.loads((run / "run.json").read_text())["end"]["stop_reason"]


def test_a_run_is_repeated_and_says_when_the_file_is_another(profile, capsys):
    write("mine.json", ROWS)
    write("more.json", ROWS[:1])
    run = profile("--concurrency 1 --request-count 4 -- --input-data mine.json --input-data more.json")
    assert 4 == len(json.loads((run / "inputs.json").read_text())["data"])
    lock = (run / "workload.lock").read_bytes()
    assert 0 == main(["config", "-f", str(run)])
    assert f"the same workload as in {run}/workload.lock" in capsys.readouterr().err
    assert lock == (run / "workload.lock").read_bytes()
    write("more.json", ROWS[1:2])
    assert 0 == main(["config", "-f", str(run)])
    assert "other bodies and settings (more.json has changed)" in capsys.readouterr().err


def test_what_was_measured_is_remembered_until_the_file_changes(profile, capsys):
    write("mine.json", ROWS)
    words = "--input-file inputs:mine.json --request-count 3 --enable-checkpointing"
    run = profile(words)
    stamp = (run / "records.arrows").stat().st_mtime_ns
    profile(words)
    assert stamp == (run / "records.arrows").stat().st_mtime_ns
    write("mine.json", ROWS[:2])
    profile(words)
    assert stamp < (run / "records.arrows").stat().st_mtime_ns


def test_a_sweep_of_the_load_sends_the_same_rows_at_every_level(profile):
    write("mine.json", ROWS)
    profile("--input-file inputs:mine.json --sweep-list 1,2 --request-count 4", command="analyze")
    found = sorted(Path("artifacts").rglob("inputs.json"))
    assert 2 == len(found)
    assert {Path("mine.json").read_bytes()} == {path.read_bytes() for path in found}


def test_a_sweep_of_the_prompts_is_refused(profile, capsys):
    write("mine.json", ROWS)
    words = "--input-file inputs:mine.json --sweep-type input_sequence_length --sweep-list 1,2"
    profile(words, command="analyze", expected=2)
    assert "input_sequence_length has no effect with --input-file" in capsys.readouterr().err


def test_a_run_of_a_file_is_replayed_and_reported_by_another_tokenizer(profile, url):
    rows = [*ROWS, {"payload": [{"model": "gpt2", "messages": [{"content": "a"}, {}], "stream": True}]}]
    write("mine.json", [*rows, {"payload": [asks("x") | {"messages": [{"role": "user", "content": [7]}]}]}])
    run = profile("--input-file inputs:mine.json --concurrency 1 --request-count 4")
    assert 0 == main(["report", str(run), "--tokenizer", "builtin"])
    assert 0 == main(["profile", "--replay", str(run), "--artifact-dir", "replay"])
    (now,) = Path("replay").iterdir()
    assert (run / "inputs.json").read_bytes() == (now / "inputs.json").read_bytes()


def test_a_kind_of_traffic_may_be_a_file(profile):
    write("mine.json", ROWS)
    Path("mix.yaml").write_text(
        "mine: {weight: 1, input-file: 'inputs:mine.json'}\nmade: {weight: 1, isl: 5}\n"
    )
    run = profile("--traffic mix.yaml --request-rate 100 --request-count 12")
    assert {"mine", "made"} == {row["traffic_class"] for row in records(run)}
    assert ROWS == json.loads((run / "inputs.json").read_text())["data"][:3]


def test_a_run_does_not_replace_the_file_that_it_is_to_send(profile, capsys):
    write("mine.json", ROWS)
    run = profile("--input-file inputs:mine.json --request-count 3")
    content = (run / "inputs.json").read_bytes()
    profile(f"--input-file inputs:{run}/inputs.json --request-count 3", expected=1)
    assert f"{run}: would replace the run whose inputs.json is to be sent" in capsys.readouterr().err
    assert content == (run / "inputs.json").read_bytes()


def test_a_replay_sends_what_its_run_sent_and_nothing_else(profile, capsys):
    write("mine.json", ROWS)
    run = profile("--input-file inputs:mine.json --request-count 3")
    assert 2 == main(["profile", "--replay", str(run), "--", "--input-data", "mine.json"])
    assert "error: --input-data and --replay exclude each other" in capsys.readouterr().err


def test_a_bad_row_is_told_before_anything_is_sent(profile, capsys):
    write("mine.json", [*ROWS, {"payload": []}])
    assert profile("--input-file inputs:mine.json --request-count 3", expected=2) is None
    assert 'error: mine.json: row 4: "payload" is not a list of one object' in capsys.readouterr().err


GREETER = f"profile -m greeter --endpoint-type dynamic_grpc --proto {greeter.PROTO} --request-count 4 "


def written(*names):
    """A command that writes such messages, as GenAI-Perf has it: each after its length."""
    greetings = [greeter.message("Greeting")() for _ in names]
    for greeting, name in zip(greetings, names, strict=True):
        greeting.name.given = name
    content = b"".join(struct.pack("=I", each.ByteSize()) + each.SerializeToString() for each in greetings)
    Path("generate.py").write_text(f"import sys; sys.stdout.buffer.write({content!r})")
    return {"message_generator": f"{sys.executable} generate.py"}


def greet(words, row):
    write("mine.json", [written("Grace"), row])
    with greeter.serving() as url:
        argv = f"profile -m greeter --endpoint-type dynamic_grpc --proto {greeter.PROTO} -u {url} "
        return main([*argv.split(), "--grpc-method", f"{greeter.SERVICE}/Greet", *words.split()])


def test_calls_over_grpc_are_messages_or_a_command_that_writes_them():
    row = {"messages": [{"name": {"given": "Ada"}}]}
    assert 0 == greet("--input-file inputs:mine.json --request-count 4", row)
    (run,) = Path("artifacts").iterdir()
    assert 4 == len(records(run))
    assert Path("mine.json").read_bytes() == (run / "inputs.json").read_bytes()
    assert 1 == len({row["request_bytes"] for row in records(run) if row["input_index"] == 1})


def test_a_bad_call_is_told_by_file_and_row(capsys):
    assert 2 == greet("-- --input-data mine.json", {"messages": [{"nome": 1}]})
    assert "error: mine.json: row 2: " in capsys.readouterr().err
