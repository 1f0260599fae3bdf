"""Rows of the input file as calls: JSON, and commands that write messages."""

import json
import shlex
import struct
import sys

import pytest
from greeter import message, pool

from genai_perf.config.schema import Config, EndpointConfig
from genai_perf.endpoints import descriptors
from genai_perf.exceptions import InputError
from genai_perf.workload import calls

GREET, TALK = (
    descriptors.find_method(pool(), f"greeter.Greeter/{name}", [], "here") for name in ("Greet", "Talk")
)


@pytest.fixture
def requests(tmp_path):
    """The requests of a file with these rows, and what its rows are called in errors."""

    def made(*rows, method=GREET, **settings):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
        config = Config(endpoint=EndpointConfig(**{"model_names": ("m",), **settings}))
        return calls.requests(calls.read(str(path)), method, config)

    return made


def command(program):
    """A row whose command is this Python program, with `write(message)` at hand."""
    prelude = (
        "import struct, sys; write = lambda data: "
        "sys.stdout.buffer.write(struct.pack('=I', len(data)) + data); "
    )
    return {"text": f"{sys.executable} -c {shlex.quote(prelude + program)}"}


def test_a_row_is_the_message_itself(requests):
    (request,) = requests({"name": {"given": "Ada"}})
    (sent,) = request.messages
    assert "Ada" == message("Greeting").FromString(sent).name.given
    assert {"messages": [{"name": {"given": "Ada"}}]} == json.loads(request.body)
    assert (0, "m", "0") == (request.index, request.model, request.conversation)


def test_a_row_may_hold_several_messages_or_none(requests):
    several, none = requests({"messages": [{"times": 1}, {"times": 2}]}, {"messages": []}, method=TALK)
    assert [1, 2] == [message("Greeting").FromString(sent).times for sent in several.messages]
    assert () == none.messages


def test_a_row_may_be_a_command_which_is_run_once_by_the_shell(requests):
    first, second = requests(
        command("write(b'one'); write(b''); write(b'three')"),
        {"message_generator": "printf '\\1\\0\\0\\0x' | cat"},
        method=None,
    )
    assert (b"one", b"", b"three") == first.messages
    if sys.byteorder == "little":
        assert (b"x",) == second.messages
    assert {"message_generator": "printf '\\1\\0\\0\\0x' | cat"} == json.loads(second.body)


def test_commands_and_messages_may_stand_in_one_file_and_keep_their_order(requests):
    rows = [command(f"write(b'{number}')") if number % 2 else {"times": number} for number in range(1, 8)]
    found = requests(*rows)
    assert [b"1", b"3", b"5", b"7"] == [request.messages[0] for request in found[::2]]
    times = [message("Greeting").FromString(request.messages[0]).times for request in found[1::2]]
    assert [2, 4, 6] == times
    assert list(range(7)) == [request.index for request in found]


def test_a_message_whose_only_field_is_called_text_stands_in_a_list(requests):
    reply = pool().FindMessageTypeByName("greeter.Reply")
    method = descriptors.Method("x.Y/Z", reply, takes_stream=False, gives_stream=False)
    (request,) = requests({"messages": [{"text": "exit 1"}]}, method=method)
    assert "exit 1" == message("Reply").FromString(request.messages[0]).text


def test_several_models_take_turns(requests):
    found = requests(*[{}] * 3, model_names=("a", "b"))
    assert ["a", "b", "a"] == [request.model for request in found]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("[1]", "not a JSON object: [1]"),
        ("{", "Input data was truncated: {"),
        ({"text": " "}, '"text" is empty'),
        ({"name": {"first": "Ada"}}, "name.first: greeter.Name has no field 'first'"),
        ({"messages": [{}, {}]}, "greeter.Greeter/Greet takes one message, and this row has 2"),
        ({"messages": []}, "greeter.Greeter/Greet takes one message, and this row has 0"),
        (
            command("write(b''); write(b'')"),
            "greeter.Greeter/Greet takes one message, and this row has 2",
        ),
        ({"text": "exit 3"}, "the command 'exit 3' ended with 3"),
        (
            {"text": "echo oh >&2; echo no >&2; false"},
            "the command 'echo oh >&2; echo no >&2; false' ended with 1: no",
        ),
        ({"text": "true"}, "the command 'true' wrote no message"),
        ({"text": "printf abc"}, "the command 'printf abc' wrote 3 bytes more than its messages"),
    ],
)
def test_a_row_that_cannot_be_called_is_named(requests, row, said):
    with pytest.raises(InputError) as raised:
        requests({"times": 1}, row)
    assert "rows.jsonl:2: " in raised.value.message
    assert raised.value.message.endswith(f"rows.jsonl:2: {said}")


def test_the_message_of_several_that_is_wrong_is_told(requests):
    with pytest.raises(InputError) as raised:
        requests({"messages": [{}, {"x": 1}]}, method=TALK)
    assert "rows.jsonl:1: message 2: x: greeter.Greeting has no field 'x'" in raised.value.message


def test_a_command_whose_output_breaks_off_is_named(requests):
    short = struct.pack("=I", 100).hex()
    with pytest.raises(InputError) as raised:
        requests(command(f"sys.stdout.buffer.write(bytes.fromhex('{short}') + b'abc')"), method=None)
    assert raised.value.message.endswith("wrote 3 bytes where a message of 100 was to follow")


def test_an_empty_file_holds_no_calls(requests):
    with pytest.raises(InputError, match=r"rows.jsonl: holds no calls"):
        requests()
