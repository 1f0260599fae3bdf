"""What the workload lock hashes, and how it tells two workloads apart."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from genai_perf.config.schema import (
    Config,
    EndpointConfig,
    InputConfig,
    LoadConfig,
    OutputConfig,
    TelemetryConfig,
)
from genai_perf.exceptions import ArtifactError
from genai_perf.types import Request
from genai_perf.workload import lock
from genai_perf.workload.lock import Lock

CONFIG = Config(endpoint=EndpointConfig(model_names=("m",), type="chat"))
LOCK = Lock(
    bodies="b",
    messages="",
    schedule="s",
    settings={"load.concurrency": 1},
    files={},
    tokenizer={"name": "builtin", "fingerprint": "f"},
    version="1.0",
)


def settings(config):
    return lock.settings_of(config)[0]


def test_a_lock_is_read_as_it_was_written(tmp_path):
    path = tmp_path / lock.NAME
    path.write_text(lock.text(LOCK))
    assert LOCK == lock.read(path)
    assert lock.text(LOCK) == lock.text(lock.read(path))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"bodies": ""}'])
def test_another_file_is_no_lock(content, tmp_path):
    path = tmp_path / lock.NAME
    path.write_text(content)
    with pytest.raises(ArtifactError, match="not a workload lock"):
        lock.read(path)


@pytest.mark.parametrize(
    "changed",
    [
        replace(CONFIG, endpoint=replace(CONFIG.endpoint, model_names=("n",))),
        replace(CONFIG, endpoint=replace(CONFIG.endpoint, streaming=True)),
        replace(CONFIG, input=InputConfig(random_seed=1)),
        replace(CONFIG, load=LoadConfig(concurrency=2)),
        replace(CONFIG, load=LoadConfig(request_rate=2.0)),
    ],
)
def test_settings_that_decide_what_is_sent_or_when_are_part_of_it(changed):
    assert settings(CONFIG) != settings(changed)


@pytest.mark.parametrize(
    "changed",
    [
        replace(CONFIG, endpoint=replace(CONFIG.endpoint, urls=("h:1",), headers=("Authorization: x",))),
        replace(CONFIG, output=OutputConfig(artifact_dir=Path("elsewhere"), verbose=True)),
        replace(CONFIG, telemetry=TelemetryConfig(gpu="off")),
        replace(CONFIG, load=LoadConfig(concurrency=1)),  # what holds anyway
    ],
)
def test_where_the_server_is_and_what_is_left_behind_is_not(changed):
    assert settings(CONFIG) == settings(changed)


def test_a_file_counts_by_its_content_wherever_it_lies(tmp_path):
    found = []
    for name, content in (("a.jsonl", "x"), ("b.jsonl", "x"), ("c.jsonl", "y")):
        (tmp_path / name).write_text(content)
        for prefix in ("", "jsonl:"):
            config = replace(CONFIG, input=InputConfig(file=f"{prefix}{tmp_path / name}"))
            found.append(lock.settings_of(config))
    hashes = [each["input.file"] for each, _ in found]
    assert hashes[0] == hashes[1] == hashes[2] == hashes[3] == hashlib.sha256(b"x").hexdigest()
    assert hashes[4] == hashes[5] != hashes[0]
    assert {str(tmp_path / "a.jsonl"): hashes[0]} == found[0][1]


def test_a_word_is_not_taken_for_a_file_that_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("poisson").mkdir()
    load = LoadConfig(request_rate=2.0, request_distribution="poisson")
    assert "poisson" == settings(replace(CONFIG, load=load))["load.request_distribution"]


def test_the_schedules_hash_is_of_due_times_places_and_pauses():
    request = Request(0, b"{}", "m", "0")
    due = [0, 10, 20]
    base = lock.hash_of_schedule(due, [(0, 4)], [request])
    assert base == lock.hash_of_schedule(iter(due), [(0, 4)], [request])
    assert base != lock.hash_of_schedule([0, 10, 21], [(0, 4)], [request])
    assert base != lock.hash_of_schedule(due, [(0, 4), (5, 8)], [request])
    assert base != lock.hash_of_schedule(due, [(0, 4)], [replace(request, delay_ns=1)])
    assert base == lock.hash_of_schedule(due, [(0, 4)], [replace(request, body=b"[]")])


def test_messages_are_hashed_with_their_borders():
    def of(*messages):
        return lock.hash_of_messages([Request(0, b"{}", "m", "0", messages=messages)])

    assert "" == of()
    assert 3 == len({of(b"ab", b"c"), of(b"a", b"bc"), of(b"abc")})


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (LOCK, None),
        (replace(LOCK, version="2.0"), None),  # it made the same
        (replace(LOCK, bodies=""), None),  # not known yet
        (
            replace(LOCK, bodies="x", version="2.0"),
            "other bodies (made by genai-perf 1.0, this is 2.0)",
        ),
        (
            replace(LOCK, bodies="x", tokenizer={"name": "gpt2", "fingerprint": "g"}),
            "other bodies (tokens were counted by builtin, are by gpt2)",
        ),
        (
            replace(LOCK, bodies="x", tokenizer={"name": "builtin", "fingerprint": "g"}),
            "other bodies (tokens were counted by builtin, are by another builtin)",
        ),
        (
            replace(LOCK, schedule="x", settings={"load.request_rate": 2.0}),
            "other schedule and settings "
            "(load.concurrency was 1, is not set; load.request_rate was not set, is 2.0)",
        ),
        (replace(LOCK, bodies="x", messages="m", schedule="x"), "other bodies and schedule"),
    ],
)
def test_what_differs_is_told_in_one_line_with_the_reasons(now, told):
    assert told == lock.differences(LOCK, now)


def test_a_file_that_was_changed_is_told_by_its_name():
    then = replace(LOCK, files={"a.jsonl": "1"}, settings={"input.file": "1"})
    now = replace(LOCK, bodies="x", files={"a.jsonl": "2"}, settings={"input.file": "2"})
    assert "other bodies and settings (a.jsonl has changed)" == lock.differences(then, now)
    other = replace(now, files={"b.jsonl": "2"})
    assert "other bodies and settings (a.jsonl was another)" == lock.differences(then, other)


def test_several_files_of_one_setting_are_told_one_by_one():
    then = replace(LOCK, files={"a.json": "1", "b.json": "2"}, settings={"input.file": "1,2"})
    now = replace(LOCK, bodies="x", files={"a.json": "1", "b.json": "3"}, settings={"input.file": "1,3"})
    assert "other bodies and settings (b.json has changed)" == lock.differences(then, now)


def test_a_setting_with_several_values_is_told_too():
    then = replace(LOCK, settings={"endpoint.model_names": ["a"]})
    now = replace(LOCK, settings={"endpoint.model_names": ["b"]})
    told = "other settings (endpoint.model_names was ['a'], is ['b'])"
    assert told == lock.differences(then, now)


def test_every_file_of_ready_made_requests_counts_by_its_content(tmp_path):
    for name, content in (("a", "1"), ("b", "2"), ("copy", "2"), ("other", "3")):
        (tmp_path / name).write_text(content)

    def of(*names):
        file = ",".join(str(tmp_path / name) for name in names)
        return lock.settings_of(replace(CONFIG, input=InputConfig(file=f"inputs:{file}")))

    (settings, files), (again, _), (other, _) = of("a", "b"), of("a", "copy"), of("a", "other")
    assert settings == again != other
    assert [str(tmp_path / "a"), str(tmp_path / "b")] == list(files)
    assert ",".join(files.values()) == settings["input.file"]
