"""Descriptors from files: a descriptor set as `protoc` makes it, or a `.proto` file, compiled here."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from genai_perf.endpoints.descriptors import files_of_set
from genai_perf.exceptions import InputError, UsageError

_MADE_BY = "protoc --include_imports --descriptor_set_out=FILE x.proto makes one"


def read_set(path: Path) -> list[bytes]:
    """The serialized `FileDescriptorProto`s in a descriptor set. Raises InputError."""
    try:
        return files_of_set(path.read_bytes())
    except OSError as exc:
        raise InputError(f"--proto-descriptor: {path}: cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise InputError(f"--proto-descriptor: {path}: no descriptor set: {exc}", hint=_MADE_BY) from exc


def compile_file(path: Path) -> list[bytes]:
    """Likewise, of a `.proto` file and all it imports, from beside it or from here.

    Raises InputError in the compiler's words, and UsageError where there is no compiler.
    """
    with tempfile.TemporaryDirectory() as directory:
        made = Path(directory) / "set"
        command = [
            *_compiler(),
            f"-I{path.resolve().parent}",
            f"-I{Path.cwd()}",
            "--include_imports",
            f"--descriptor_set_out={made}",
            str(path.resolve()),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if ended.returncode:
            said = ended.stderr.strip() or f"protoc ended with {ended.returncode}"
            raise InputError(f"--proto: {said.replace(str(path.resolve().parent) + '/', '')}")
        return files_of_set(made.read_bytes())


def _compiler() -> list[str]:
    if importlib.util.find_spec("grpc_tools") is not None:
        include = Path(str(importlib.util.find_spec("grpc_tools").origin)).parent / "_proto"  # type: ignore[union-attr]
        return [sys.executable, "-m", "grpc_tools.protoc", f"-I{include}"]
    if found := shutil.which("protoc"):
        return [found]
    raise UsageError(
        "--proto: needs protoc, which is not installed",
        hint="pip install 'genai-perf[proto]'; or give --proto-descriptor, compiled elsewhere",
    )
