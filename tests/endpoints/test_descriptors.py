"""Methods from descriptors, and JSON as their messages."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from greeter import files, message, pool

from genai_perf.endpoints import descriptors
from genai_perf.endpoints.descriptors import MissingFiles
from genai_perf.exceptions import InputError, UsageError

WHERE = "rows.jsonl:3"


def encoded(found):
    return descriptors.encode(found, pool().FindMessageTypeByName("greeter.Greeting"), WHERE)


def refusal(found):
    with pytest.raises(InputError) as raised:
        encoded(found)
    return raised.value.message, raised.value.hint


# -- messages ------------------------------------------------------------------------------------------


def test_json_becomes_the_message_that_it_says():
    found = encoded(
        {
            "name": {"given": "Ada"},
            "times": 3,
            "mood": "LOUD",
            "titles": ["Countess"],
            "friends": {"best": {"given": "Charles"}},
            "pause": "1.5s",
            "badge": "AAEC",
            "others": [{"family": "B"}, {}],
        }
    )
    greeting = message("Greeting").FromString(found)
    assert ("Ada", 3, 1) == (greeting.name.given, greeting.times, greeting.mood)
    assert (["Countess"], b"\x00\x01\x02", 2) == (
        list(greeting.titles),
        greeting.badge,
        len(greeting.others),
    )
    assert (1, 500_000_000) == (greeting.pause.seconds, greeting.pause.nanos)
    assert "Charles" == greeting.friends["best"].given


def test_an_empty_object_is_an_empty_message():
    assert b"" == encoded({})


HAS = (
    "greeter.Greeting has: name (greeter.Name), times (int32), mood (greeter.Mood), titles "
    "(repeated string), "
    "friends (map<string, greeter.Name>), pause (google.protobuf.Duration), badge (bytes), "
    "others (repeated greeter.Name)"
)
NAME_HAS = "greeter.Name has: given (string), family (string)"


@pytest.mark.parametrize(
    ("found", "message", "hint"),
    [
        ({"nmae": 1}, "nmae: greeter.Greeting has no field 'nmae'", f"did you mean name? {HAS}"),
        ({"xyz": 1}, "xyz: greeter.Greeting has no field 'xyz'", HAS),
        (
            {"name": {"givn": 1}},
            "name.givn: greeter.Name has no field 'givn'",
            f"did you mean given? {NAME_HAS}",
        ),
        ({"others": [{}, {"x": 1}]}, "others[1].x: greeter.Name has no field 'x'", NAME_HAS),
        ({"friends": {"a b": {"x": 1}}}, "friends['a b'].x: greeter.Name has no field 'x'", NAME_HAS),
        ([], "not an object, which greeter.Greeting is: []", HAS),
        ("Ada", "not an object, which greeter.Greeting is: 'Ada'", HAS),
    ],
)
def test_a_wrong_field_is_named_with_its_place_and_what_there_is(found, message, hint):
    assert (f"{WHERE}: {message}", hint) == refusal(found)


@pytest.mark.parametrize(
    "found",
    [
        {"times": "many"},
        {"times": 2**40},
        {"mood": "SHOUTING"},
        {"titles": "Countess"},
        {"name": "Ada"},
        {"pause": "long"},
        {"badge": "not base64!"},
        {"friends": []},
        {"friends": {"best": "Charles"}},
        {"others": [1]},
        {"name": None, "titles": [None]},
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_its_field(found):
    message, hint = refusal(found)
    assert message.startswith(f"{WHERE}: ")
    assert any(field in message for field in found)
    assert HAS == hint


# -- methods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "takes_stream", "gives_stream"),
    [("Greet", False, False), ("GreetSlowly", False, True), ("GreetAll", True, False), ("Talk", True, True)],
)
def test_a_method_says_how_many_messages_it_takes_and_gives(name, takes_stream, gives_stream):
    found = descriptors.find_method(pool(), f"/greeter.Greeter/{name}", [], "here")
    assert (f"greeter.Greeter/{name}", takes_stream, gives_stream) == (
        found.name,
        found.takes_stream,
        found.gives_stream,
    )
    assert "greeter.Greeting" == found.takes.full_name


@pytest.mark.parametrize(
    ("method", "message", "hint"),
    [
        (
            "greeter.Great/Greet",
            "--grpc-method: here has no service greeter.Great",
            "it has: greeter.Greeter",
        ),
        (
            "greeter.Greeter/Great",
            "--grpc-method: greeter.Greeter has no method Great",
            "it has: Greet, GreetAll, GreetSlowly, Talk",
        ),
        ("Greet", "--grpc-method: 'Greet' is not package.Service/Method", None),
        ("a/b/c", "--grpc-method: 'a/b/c' is not package.Service/Method", None),
    ],
)
def test_a_method_that_is_not_there_is_refused_with_those_that_are(method, message, hint):
    with pytest.raises(UsageError) as raised:
        descriptors.find_method(pool(), method, descriptors.services(pool(), files()), "here")
    assert message == raised.value.message
    assert hint is None or hint == raised.value.hint


# -- files ---------------------------------------------------------------------------------------------


def test_files_may_come_in_any_order_and_without_protobufs_own():
    ours = [file for file in files() if not FileDescriptorProto.FromString(file).name.startswith("google/")]
    assert 2 == len(ours)
    for some in (ours, ours[::-1]):
        assert descriptors.pool_of_files(some).FindServiceByName("greeter.Greeter")


def test_files_that_are_imported_and_missing_are_named():
    main = [file for file in files() if FileDescriptorProto.FromString(file).name == "greeter.proto"]
    with pytest.raises(MissingFiles) as raised:
        descriptors.pool_of_files(main)
    assert ["names.proto"] == raised.value.names


def test_files_that_import_each_other_are_an_error():
    one = FileDescriptorProto(name="one.proto", dependency=["two.proto"])
    two = FileDescriptorProto(name="two.proto", dependency=["one.proto"])
    with pytest.raises(ValueError, match=r"one.proto, two.proto: they import each other"):
        descriptors.pool_of_files([one.SerializeToString(), two.SerializeToString()])


def test_a_file_that_contradicts_itself_is_an_error():
    file = FileDescriptorProto(name="x.proto")
    file.message_type.add(name="A").field.add(name="b", number=1, type=11, label=1, type_name=".Nowhere")
    with pytest.raises(ValueError, match=r"x.proto: "):
        descriptors.pool_of_files([file.SerializeToString()])


def test_a_descriptor_set_is_taken_apart():
    found = FileDescriptorSet(file=[FileDescriptorProto.FromString(file) for file in files()])
    assert list(files()) == descriptors.files_of_set(found.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"syntax = 'proto3';", b"\xff\xff"])
def test_what_is_no_descriptor_set_is_an_error(data):
    with pytest.raises(ValueError, match=r".+"):
        descriptors.files_of_set(data)
