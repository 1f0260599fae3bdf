"""Which settings make two runs comparable, as one hash.

Left out is what cannot change a figure's meaning: where the server is and how it is trusted, where files go,
how much is printed, what is sampled beside. Secrets count by their presence alone. Options at their defaults
are left out too, so that a new option does not part new results from old ones; what a default stands for (the
request count of a concurrency) is spelled out. Files count by their content, wherever they lie.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from genai_perf.config.schema import Config
from genai_perf.exceptions import InputError
from genai_perf.workload.lock import files_in

Settings = Mapping[str, Any]
"""Values by `section.field`, ready for JSON."""

DEFINITIONS = 1
"""Raised when a figure changes its meaning: results from before are then not comparable."""

_IMMATERIAL = {
    "endpoint.urls",
    "endpoint.service_kind",  # follows from the type
    "endpoint.connect_timeout_s",
    "endpoint.tls_verify",
    "endpoint.tls_verify_host",
    "endpoint.tls_ca_file",
    "endpoint.tls_cert_file",
    "endpoint.tls_key_file",
}
_IMMATERIAL_SECTIONS = ("output.", "telemetry.")

_FILES = (
    "input.file",
    "input.dataset",
    "input.input_length_distribution",
    "input.output_length_distribution",
    "input.isl_osl",
    "endpoint.proto",
    "endpoint.proto_descriptor",
    "load.request_intervals",
    "load.request_rate_schedule",
    "load.concurrency_schedule",
)


def settings(config: Config) -> dict[str, Any]:
    """What a result of this run depends on. Raises InputError when an input file cannot be read."""
    unset = _flat(Config())
    found = {name: value for name, value in _flat(config).items() if value != unset.get(name)}
    found["tokenizer.name"] = config.tokenizer_name
    if not config.is_open_loop:
        found["load.concurrency"] = config.concurrency
    if config.request_count is not None:
        found["load.request_count"] = config.request_count
    for name in _FILES:
        if name in found:
            found[name] = _contents(found[name])
    return dict(sorted(found.items()))


def digest(found: Settings) -> str:
    """SHA-256 of the settings as canonical JSON, in hex."""
    canonical = json.dumps(
        {"definitions": DEFINITIONS, "settings": dict(found)}, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def differences(stored: Settings, wanted: Settings) -> list[str]:
    """In what two runs differ, a line each: `load.request_count: 16, now 32`."""
    return [
        f"{name}: {_shown(stored, name)}, now {_shown(wanted, name)}"
        for name in sorted({*stored, *wanted})
        if stored.get(name) != wanted.get(name)
    ]


def _shown(found: Settings, name: str) -> str:
    return str(found[name]) if name in found else "not set"


def _flat(config: Config) -> dict[str, Any]:
    return dict(_pairs(config))


def _pairs(config: Config) -> Iterator[tuple[str, Any]]:
    for section, values in config.public().items():
        for field, value in values.items():
            name = f"{section}.{field}"
            if name not in _IMMATERIAL and not name.startswith(_IMMATERIAL_SECTIONS):
                yield name, _plain(value)


def _plain(value: Any) -> Any:
    """5.0 and 5 are one rate."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _contents(name: str) -> str:
    """The beginnings of the hashes of the files or directories that are named; another name as it is."""
    paths = files_in(name)
    if not paths:
        return name
    kind = "" if paths == [Path(name).expanduser()] else f"{name.partition(':')[0]}: "
    return kind + ", ".join(map(_content, paths))


def _content(path: Path) -> str:
    """Of a file, or of all files in a directory."""
    files = sorted(file for file in path.rglob("*") if not file.is_dir()) if path.is_dir() else [path]
    try:
        stamps = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
        return f"sha256 {_hash_of(stamps)}"
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


@cache
def _hash_of(stamps: tuple[tuple[str, int, int], ...]) -> str:
    """Of the files' contents in this order. A sweep asks for the same ones before each of its runs."""
    total = hashlib.sha256()
    for name, _, _ in stamps:
        with Path(name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]
