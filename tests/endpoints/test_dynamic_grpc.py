"""Dynamic gRPC from the command line to the files, against grpcio's own server."""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import greeter
import pyarrow as pa
import pytest
from certificates import Authority
from exchanges import exchange
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from genai_perf import endpoints
from genai_perf.cli import main
from genai_perf.endpoints import decode_whole
from genai_perf.types import RequestError

ROWS = greeter.INPUTS / "greetings.jsonl"
METHOD = f"--grpc-method a.B/C --input-file {ROWS}"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with greeter.serving() as url:
        yield url


def argv(url: str, directory: Path, method: str, rows: Path, *options: str) -> list[str]:
    return shlex.split(
        f"profile -m greeter --endpoint-type dynamic_grpc --grpc-method greeter.Greeter/{method} "
        f"--input-file {rows} -u {url} --artifact-dir {directory} --request-count 12 --concurrency 2 "
    ) + list(options)


def records(directory: Path) -> list[dict[str, Any]]:
    (journal,) = directory.glob("*/records.arrows")
    rows: list[dict[str, Any]] = pa.ipc.open_stream(journal.read_bytes()).read_all().to_pylist()
    return rows


def written(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


# -- runs ----------------------------------------------------------------------------------------------

ONE_EACH = [1, 1, 1]


@pytest.mark.parametrize(
    ("method", "responses"),
    [("Greet", ONE_EACH), ("GreetSlowly", [8, 4, 2]), ("GreetAll", ONE_EACH), ("Talk", ONE_EACH)],
)
def test_each_kind_of_method_is_called_and_every_response_is_stamped(
    method: str, responses: list[int], url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(argv(url, tmp_path, method, ROWS))
    printed = capsys.readouterr().out
    assert "Request Latency (ms)" in printed
    assert "First Token" not in printed
    assert "12 succeeded" in printed
    found = records(tmp_path)
    assert 12 == len(found)
    for record in found:
        assert record["error_kind"] is None
        assert responses[record["input_index"]] == len(record["content_ns"])
        assert record["content_ns"] == sorted(record["content_ns"])
        assert "" == record["text"]


def test_reflection_and_calls_go_over_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = Authority(tmp_path, "authority")
    with greeter.serving(identity=authority.issue("127.0.0.1")) as url:
        line = argv(f"grpcs://{url}", tmp_path / "runs", "GreetSlowly", ROWS)
        assert 0 == main([*line, "--tls-ca-file", str(authority.file)])
        assert 1 == main(line)
    told = capsys.readouterr()
    assert "12 succeeded" in told.out
    assert "the server's certificate is not accepted" in told.err


def test_a_method_that_takes_a_stream_gets_all_messages_of_a_row(url: str, tmp_path: Path) -> None:
    rows = written(tmp_path, {"messages": [{"name": {"given": name}} for name in ("Ada", "Grace", "Alan")]})
    assert 0 == main(argv(url, tmp_path / "runs", "Talk", rows))
    assert {3} == {len(record["content_ns"]) for record in records(tmp_path / "runs")}


@pytest.mark.parametrize("source", ["--proto", "--proto-descriptor"])
def test_a_server_without_reflection_is_called_by_what_a_file_says(source: str, tmp_path: Path) -> None:
    file = greeter.PROTO
    if source == "--proto-descriptor":
        file = tmp_path / "greeter.binpb"
        found = FileDescriptorSet(file=map(FileDescriptorProto.FromString, greeter.files()))
        file.write_bytes(found.SerializeToString())
    with greeter.serving(reflects=False) as url:
        assert 0 == main(argv(url, tmp_path / "runs", "Greet", ROWS, source, str(file)))
    assert {None} == {record["error_kind"] for record in records(tmp_path / "runs")}


def test_a_command_writes_the_messages_as_genai_perf_has_it(tmp_path: Path) -> None:
    """Nothing need describe them, and nobody is asked."""
    sent = greeter.message("Greeting")(name=greeter.message("Name")(given="Ada")).SerializeToString()
    generator = tmp_path / "generate.py"
    generator.write_text(
        f"import struct, sys\nfor _ in range(int(sys.argv[1])):\n"
        f"    sys.stdout.buffer.write(struct.pack('=I', {len(sent)}) + {sent!r})\n"
    )
    rows = written(tmp_path, *[{"text": f"{sys.executable} {generator} {number}"} for number in (1, 2)])
    with greeter.serving(reflects=False) as url:
        assert 0 == main(argv(url, tmp_path / "runs", "Talk", rows))
    assert [1, 2] == sorted({len(record["content_ns"]) for record in records(tmp_path / "runs")})
    (inputs,) = (tmp_path / "runs").glob("*/inputs.json")
    assert {"message_generator": f"{sys.executable} {generator} 1"} == json.loads(inputs.read_text())["data"][
        0
    ]


def test_what_was_sent_and_when_answers_came_stands_in_the_files(url: str, tmp_path: Path) -> None:
    assert 0 == main(argv(url, tmp_path, "Greet", ROWS))
    (directory,) = tmp_path.iterdir()
    assert "greeter-dynamic_grpc-dynamic_grpc-concurrency2" == directory.name
    inputs = json.loads((directory / "inputs.json").read_text())["data"]
    assert [{"messages": [json.loads(line)]} for line in ROWS.read_text().splitlines()] == inputs
    raw = json.loads((directory / "profile_export.json").read_text())
    assert ("dynamic_grpc", "greeter.Greeter/Greet") == (raw["service_kind"], raw["endpoint"])
    (request, *_) = raw["experiments"][0]["requests"]
    assert request["request_inputs"] in inputs
    assert [{"response": ""}] == request["response_outputs"]
    figures = json.loads((directory / "profile_export_genai_perf.json").read_text())
    assert 12 == figures["request_count"]["avg"]
    assert "time_to_first_token" not in figures


def test_a_call_that_fails_is_counted_by_its_status(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = written(tmp_path, {}, {"name": {"given": "Ada"}})
    assert 0 == main(argv(url, tmp_path / "runs", "Greet", rows))
    assert "grpc_invalid_argument" in capsys.readouterr().out
    kinds = [record["error_kind"] for record in records(tmp_path / "runs")]
    assert 6 == kinds.count("grpc_invalid_argument")


# -- what cannot be called -----------------------------------------------------------------------------


def refusal(line: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert 0 != main(line)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "row", "said"),
    [
        ("Greet", {"nmae": {}}, "rows.jsonl:1: nmae: greeter.Greeting has no field 'nmae'"),
        ("Greet", {"messages": [{}, {}]}, "rows.jsonl:1: greeter.Greeter/Greet takes one message, and this"),
        ("Bow", {}, "--grpc-method: greeter.Greeter has no method Bow"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_sent(
    method: str, row: object, said: str, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(argv(url, tmp_path / "runs", method, written(tmp_path, row)), capsys)
    assert not (tmp_path / "runs").exists()


def test_a_service_that_is_not_there_is_refused_with_those_that_are(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = argv(url, tmp_path, "Greet", ROWS)
    line[line.index("greeter.Greeter/Greet")] = "greeter.Nobody/Greet"
    said = refusal(line, capsys)
    assert f"--grpc-method: {url} has no service greeter.Nobody" in said
    assert "it has: greeter.Greeter, grpc.reflection.v1alpha.ServerReflection" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (f"--input-file {ROWS}", "The --grpc-method option is required when using the dynamic_grpc"),
        ("--grpc-method a.B/C", "The --input-file option is required when using the dynamic_grpc"),
        (f"--grpc-method B --input-file {ROWS}", "--grpc-method: 'B' is not package.Service/Method"),
        (f"{METHOD} --endpoint x", "--endpoint: dynamic_grpc has no path"),
        (f"{METHOD} --proto nothing.proto", "--proto: no file 'nothing.proto'"),
        (f"{METHOD} --proto {ROWS} --proto-descriptor {ROWS}", "--proto and --proto-descriptor exclude"),
        (f"{METHOD} --streaming", "The --streaming option is not supported for dynamic_grpc."),
        ("--endpoint-type chat -u grpc://h:1", "--url: grpc://h:1: chat is spoken over http, not grpc"),
        ("--endpoint-type chat --grpc-method a.B/C", "--grpc-method needs --endpoint-type dynamic_grpc"),
        (
            "--endpoint-type chat --grpc-compression-algorithm gzip",
            "--grpc-compression-algorithm needs an endpoint type that speaks gRPC",
        ),
    ],
)
def test_options_that_do_not_go_together_are_one_clear_line(
    options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = "" if "--endpoint-type" in options else "--service-kind dynamic_grpc"
    assert f"error: {said}" in refusal(shlex.split(f"profile -m x {kind} {options}"), capsys)


# -- answers -------------------------------------------------------------------------------------------


def test_every_response_is_an_event_whose_slack_the_transport_knows() -> None:
    answer = decode_whole(endpoints.get("dynamic_grpc"), exchange(b"\x0a\x01a", b"", b"c"))
    assert (["", "", ""], [0, 1, 2], [0, 1, 2]) == (
        answer.content,
        answer.content_reads,
        answer.content_shared,
    )


def test_a_call_that_ends_well_without_a_response_took_until_its_end() -> None:
    ended = exchange(end_ns=500)
    answer = decode_whole(endpoints.get("dynamic_grpc"), ended)
    assert ([""], [0], [500]) == (answer.content, answer.content_reads, ended.at_ns)


def test_a_failed_call_keeps_what_had_come() -> None:
    failed = exchange(b"one")
    failed.error = RequestError("grpc_unavailable", "gone")
    answer = decode_whole(endpoints.get("dynamic_grpc"), failed)
    assert (failed.error, [""]) == (answer.error, answer.content)
