"""The workload lock: what was sent and when, as hashes. Two runs with the same lock had the same workload.

    lock       of the four below, in this order
    bodies     of the run's `inputs.json`, byte for byte: `sha256sum inputs.json` is the same number
    messages   of what went over gRPC, each message after its length; empty for HTTP
    schedule   of the due times of the benchmark's slots in ns, the first 100,000 of them; of how many may be
               in flight, and when that changes; of each request's place in its conversation and its pause
    settings   of the options that decide any of that, where they are not at their defaults, as canonical
               JSON; a file that one of them names counts by its content, wherever it lies

Beside them stand the settings themselves and what else the workload was made with, so that it can be said why
two locks differ. All hashes are SHA-256 in hex.
"""

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from genai_perf.config import Config
from genai_perf.config.options import OPTIONS
from genai_perf.exceptions import ArtifactError, InputError
from genai_perf.types import Request

NAME = "workload.lock"
MOST_DUE = 100_000
"""Due times that are hashed; a run that ends when its measurement is stable has no last one."""

_SECTIONS = ("input", "image", "audio", "load", "tokenizer")
_OF_ENDPOINT = (
    "type",
    "backend",
    "model_names",
    "model_selection_strategy",
    "model_version",
    "request_parameters",
    "tensor_shapes",
    "grpc_method",
    "proto",
    "proto_descriptor",
    "path",
    "streaming",
)
"""Fields of the endpoint that shape a request; where the server is, and how it is trusted, does not."""
_OF_METRICS = ("use_server_token_count",)
_TOLD_OTHERWISE = ("input.replay",)
"""A directory; all that is taken from it are bodies and due times."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What a run sends and when, and what that was made with."""

    bodies: str
    """Empty where they come while the run goes on, until it is over."""
    messages: str
    schedule: str
    settings: Mapping[str, Any]
    """By `section.field`, ready for JSON; a file by its content."""
    files: Mapping[str, str]
    """Path and hash of every file that a setting names."""
    tokenizer: Mapping[str, str]
    version: str
    """Of this program."""

    @property
    def lock(self) -> str:
        """The hash of all."""
        whole = [self.bodies, self.messages, self.schedule, self.settings_hash]
        return hashlib.sha256("\n".join(whole).encode()).hexdigest()

    @property
    def settings_hash(self) -> str:
        """Of the settings alone."""
        return hashlib.sha256(_canonical(self.settings)).hexdigest()


def text(lock: Lock) -> str:
    """The lock as a file: the same for the same workload, made with the same."""
    hashes = {
        "lock": lock.lock,
        "bodies": lock.bodies,
        "messages": lock.messages,
        "schedule": lock.schedule,
        "settings": lock.settings_hash,
    }
    made_with = {
        "genai-perf": lock.version,
        "tokenizer": dict(lock.tokenizer),
        "files": dict(lock.files),
        "settings": dict(lock.settings),
    }
    return json.dumps({**hashes, "made_with": made_with}, indent=2) + "\n"


def read(path: Path) -> Lock:
    """The lock in a file. Raises ArtifactError."""
    try:
        given = json.loads(path.read_bytes())
        made_with = given["made_with"]
        return Lock(
            bodies=given["bodies"],
            messages=given["messages"],
            schedule=given["schedule"],
            settings=made_with["settings"],
            files=made_with["files"],
            tokenizer=made_with["tokenizer"],
            version=made_with["genai-perf"],
        )
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(f"{path}: not a workload lock: {exc!r}") from exc


def differences(former: Lock, now: Lock) -> str | None:
    """In what they are not the same workload, and why, in one line; None where they are."""
    parts = ("bodies", "messages", "schedule", "settings_hash")
    known = [name for name in parts if getattr(former, name) and getattr(now, name)]
    other = [name.removesuffix("_hash") for name in known if getattr(former, name) != getattr(now, name)]
    if not other:
        return None
    reasons = "; ".join(_reasons(former, now))
    return f"other {_joined(other)}" + (f" ({reasons})" if reasons else "")


def _joined(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _reasons(former: Lock, now: Lock) -> Iterator[str]:
    then_files, now_files = ({hash_: name for name, hash_ in each.files.items()} for each in (former, now))
    for hash_, name in then_files.items():
        if hash_ not in now_files:
            yield f"{name} has changed" if name in now.files else f"{name} was another"
    for name in sorted({*former.settings, *now.settings}):
        was, is_now = (each.settings.get(name, "not set") for each in (former, now))
        if was != is_now and not _are(was, then_files):
            yield f"{name} was {was}, is {'another file' if _are(is_now, now_files) else is_now}"
    if former.tokenizer.get("fingerprint") != now.tokenizer.get("fingerprint"):
        was, is_now = (each.tokenizer.get("name", "nothing") for each in (former, now))
        yield f"tokens were counted by {was}, are by {'another ' * (is_now == was)}{is_now}"
    if former.version != now.version:
        yield f"made by genai-perf {former.version}, this is {now.version}"


def _are(value: Any, hashes: Mapping[str, str]) -> bool:
    """Whether a setting is nothing but files, told by these hashes."""
    return isinstance(value, str) and all(part in hashes for part in value.split(","))


# -- hashes ---------------------------------------------------------------------------------------------


def hash_of_file(path: Path) -> str:
    """Of its content. Raises ArtifactError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


def hash_of_messages(requests: Iterable[Request]) -> str:
    """Of what goes over gRPC; empty where nothing does."""
    total = hashlib.sha256()
    has_some = False
    for request in requests:
        for message in request.messages:
            has_some = True
            total.update(len(message).to_bytes(8, "big"))
            total.update(message)
    return total.hexdigest() if has_some else ""


def hash_of_schedule(
    due_ns: Iterable[int | None], places: Sequence[tuple[int, int]], requests: Sequence[Request]
) -> str:
    """Of when slots are due, of (instant, how many may be in flight from then on), and of the requests."""
    total = hashlib.sha256()
    total.update(_int64(due for due in islice(due_ns, MOST_DUE) if due is not None))
    total.update(b"places")
    total.update(_int64(number for change in places for number in change))
    total.update(b"requests")
    total.update(_int64(number for request in requests for number in (request.turn, request.delay_ns)))
    return total.hexdigest()


def _int64(numbers: Iterable[int]) -> bytes:
    """The same bytes on every machine."""
    import sys

    found = array("q", numbers)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


# -- settings -------------------------------------------------------------------------------------------


def settings_of(config: Config) -> tuple[dict[str, Any], dict[str, str]]:
    """What decides the workload and is not at its default; and the hash of each file in it.

    Raises InputError when one of these cannot be read.
    """
    unset = dict(_pairs(Config()))
    settings: dict[str, Any] = {}
    files: dict[str, str] = {}
    for name, value in _pairs(config):
        if value == unset.get(name) or name in _TOLD_OTHERWISE:
            continue
        if paths := files_in(value) if _may_name_a_file(name) else []:
            hashes = [_hash_of(path) for path in paths]
            files.update(zip(map(str, paths), hashes))
            value = ",".join(hashes)
        settings[name] = value
    if not config.is_open_loop:
        settings["load.concurrency"] = config.concurrency
    if config.request_count is not None:
        settings["load.request_count"] = config.request_count
    settings["tokenizer.name"] = config.tokenizer_name
    return dict(sorted(settings.items())), files


def _pairs(config: Config) -> Iterator[tuple[str, Any]]:
    public = config.public()
    for section in _SECTIONS:
        for name, value in public[section].items():
            yield f"{section}.{name}", value
    for section, names in (("endpoint", _OF_ENDPOINT), ("metrics", _OF_METRICS)):
        for name in names:
            yield f"{section}.{name}", public[section][name]
    for kind in config.traffic:
        yield f"traffic.{kind.name}.input.file", kind.config.input.file


_NAME_FILES = (
    "input.file",
    "input.dataset",
    "input.input_length_distribution",
    "input.output_length_distribution",
    "input.isl_osl",
)
"""Settings that are text and may name a file."""


def _may_name_a_file(name: str) -> bool:
    return name.endswith(_NAME_FILES) or OPTIONS[name].type is Path


def files_in(value: Any) -> list[Path]:
    """The files or directories that a setting names, behind `payload:` and its like too; empty for others."""
    if not isinstance(value, str):
        return []
    named = value.partition(":")[2]
    for texts in ([value], [named], named.split(",")):
        paths = [Path(text).expanduser() for text in texts]
        if all(text and path.exists() for text, path in zip(texts, paths)):
            return paths
    return []


def _hash_of(path: Path) -> str:
    """Of a file's content; of a directory's, the names and sizes: what was taken from it is in the bodies."""
    try:
        if not path.is_dir():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        found = sorted(
            (str(each.relative_to(path)), each.stat().st_size) for each in path.rglob("*") if each.is_file()
        )
        return hashlib.sha256(_canonical(found)).hexdigest()
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=dict).encode()
