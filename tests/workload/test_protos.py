"""Descriptors from files."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from greeter import PROTO, files

from genai_perf.exceptions import InputError, UsageError
from genai_perf.workload import protos


def names(found: list[bytes]) -> list[str]:
    return sorted(FileDescriptorProto.FromString(file).name for file in found)


def test_a_proto_file_is_compiled_with_all_it_imports() -> None:
    expected = ["google/protobuf/duration.proto", "greeter.proto", "names.proto"]
    assert expected == names(protos.compile_file(PROTO))


def test_imports_are_found_from_the_working_directory_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "common.proto").write_text('syntax = "proto3";\nmessage A {}\n')
    main = tmp_path / "deep" / "er" / "main.proto"
    main.write_text('syntax = "proto3";\nimport "deep/common.proto";\nmessage B { A a = 1; }\n')
    monkeypatch.chdir(tmp_path)
    assert ["deep/common.proto", "main.proto"] == names(protos.compile_file(Path("deep/er/main.proto")))


def test_what_does_not_compile_is_told_in_the_compilers_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.proto"
    broken.write_text('syntax = "proto3";\nmessage A { strin x = 1; }\n')
    with pytest.raises(InputError) as raised:
        protos.compile_file(broken)
    assert '--proto: broken.proto:2:13: "strin" is not defined.' == raised.value.message


def test_without_a_compiler_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UsageError) as raised:
        protos.compile_file(PROTO)
    assert "--proto: needs protoc, which is not installed" == raised.value.message
    assert raised.value.hint is not None
    assert "pip install 'genai-perf[proto]'" in raised.value.hint


def test_a_descriptor_set_is_read(tmp_path: Path) -> None:
    path = tmp_path / "greeter.binpb"
    path.write_bytes(FileDescriptorSet(file=map(FileDescriptorProto.FromString, files())).SerializeToString())
    assert names(list(files())) == names(protos.read_set(path))


def test_what_is_no_descriptor_set_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        protos.read_set(PROTO)
    assert raised.value.message.startswith(f"--proto-descriptor: {PROTO}: no descriptor set: ")
    with pytest.raises(InputError, match=r"cannot be read: No such file"):
        protos.read_set(tmp_path / "nothing")
