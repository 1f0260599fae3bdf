import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_perf.exceptions import ArtifactError
from genai_perf.types import Request, Workload
from genai_perf.workload import inputs_file
from genai_perf.workload.bodies import encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=4)


def requests(bodies: list[dict[str, Any]]) -> list[Request]:
    return [
        Request(index=i, body=encode(body), model="gpt2", conversation=str(i))
        for i, body in enumerate(bodies)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES)
def test_the_file_is_what_json_dumps_writes_and_reads_back_as_the_bytes_sent(
    tmp_path: Path, bodies: list[dict[str, Any]]
) -> None:
    sent = requests(bodies)

    path = inputs_file.write(tmp_path / "inputs.json", Workload(sent))

    expected = {"data": [{"payload": [json.loads(request.body)]} for request in sent]}
    assert path.read_text(encoding="ascii") == json.dumps(expected, indent=2)
    assert [encode(body) for body in inputs_file.bodies(path)] == [request.body for request in sent]


def test_tensors_stand_in_their_row_by_themselves(tmp_path: Path) -> None:
    body = {"model": "m", "text_input": ["hello"], "stream": [True]}
    request = Request(0, encode(body), "m", "0", messages=(b"what goes over the wire",))

    path = inputs_file.write(tmp_path / "inputs.json", Workload([request]))

    assert {"data": [body]} == json.loads(path.read_text())
    assert [body] == list(inputs_file.bodies(path))


def test_text_beyond_ascii_is_escaped(tmp_path: Path) -> None:
    path = inputs_file.write(tmp_path / "inputs.json", Workload(requests([{"prompt": ["é"]}])))

    assert (
        path.read_text()
        == """\
{
  "data": [
    {
      "payload": [
        {
          "prompt": [
            "\\u00e9"
          ]
        }
      ]
    }
  ]
}"""
    )


def test_a_directory_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "inputs.json"

    with pytest.raises(ArtifactError, match=r"inputs\.json: cannot be written: No such file or directory"):
        inputs_file.write(path, Workload(requests([{}])))
    with pytest.raises(ArtifactError, match=r"inputs\.json: cannot be read: No such file or directory"):
        list(inputs_file.bodies(path))


def test_a_full_disk_is_a_clear_error() -> None:
    with pytest.raises(ArtifactError, match="/dev/full: cannot be written: No space left on device"):
        inputs_file.write(Path("/dev/full"), Workload(requests([{"prompt": "x" * 10_000}] * 10)))


def test_conversations_and_traces_have_their_metadata_beside_the_payload(tmp_path: Path) -> None:
    rows = [
        Request(0, b"{}", "m", "s1", turn=0, delay_ns=500_000_000, due_ns=0),
        Request(1, b"{}", "m", "s1", turn=1),
        Request(2, b"{}", "m", "s2", turn=0, due_ns=7_000_000),
    ]
    path = inputs_file.write(tmp_path / "inputs.json", Workload(rows, [0, 2]))
    assert [
        {"payload": [{}], "timestamp": [0], "session_id": ["s1"], "delay": [500]},
        {"payload": [{}], "session_id": ["s1"]},
        {"payload": [{}], "timestamp": [7], "session_id": ["s2"]},
    ] == json.loads(path.read_text())["data"]
    assert [{}, {}, {}] == list(inputs_file.bodies(path))


@pytest.mark.parametrize("content", ["", "[]", '{"data": [{}]}', '{"data": [{"payload": []}]}', '{"da'])
def test_another_file_is_a_clear_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "inputs.json"
    path.write_text(content)

    with pytest.raises(ArtifactError, match="not the inputs of a run"):
        list(inputs_file.bodies(path))


def test_instants_stand_among_the_tensors_of_a_row_that_was_sent_by_them(tmp_path: Path) -> None:
    body = {"text_input": ["hello"]}
    timed = Request(0, encode(body), "m", "0", messages=(b"x",), due_ns=5_000_000)

    path = inputs_file.write(tmp_path / "inputs.json", Workload([timed]))

    assert [{**body, "timestamp": [5]}] == list(inputs_file.bodies(path))
    assert [body] == list(inputs_file.bodies(path, are_timed=True))
