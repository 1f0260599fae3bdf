"""openorca and cnn_dailymail, as GenAI-Perf had them: rows over HTTP from the hub's service for that.

A page has 100 rows. Each page that was fetched is kept under `~/.cache/genai-perf/datasets` (or
`$XDG_CACHE_HOME`), so that a second run needs no network. As in GenAI-Perf, answers are not taken, unless
`--dataset-columns` names them.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from genai_perf.exceptions import InputError
from genai_perf.workload import hub
from genai_perf.workload.tables import Row, Table

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

PAGE = 100
"""Rows that the service gives at most."""
_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class _Part:
    """Which part of which data set a short name stands for, and what its columns are."""

    dataset: str
    config: str
    split: str
    columns: Mapping[str, str]


_PARTS = {
    "openorca": _Part(
        "Open-Orca/OpenOrca", "default", "train", {"system": "system_prompt", "prompt": "question"}
    ),
    # GenAI-Perf asked for `cnn_dailymail`, which has moved; the service answers for the present name alone
    "cnn_dailymail": _Part("abisee/cnn_dailymail", "1.0.0", "train", {"prompt": "article"}),
}


def is_known(name: str) -> bool:
    """Whether it is one of the short names."""
    return name.lower() in _PARTS


def columns(name: str) -> Mapping[str, str]:
    """The columns that GenAI-Perf takes of it; none for another data set."""
    return _PARTS[name.lower()].columns if is_known(name) else {}


def table(name: str, *, server: str | None = None) -> Table:
    """Its rows, a page at a time as they are read. Raises InputError. `server` is the service's URL."""
    name = name.lower()
    rows = _rows(name, server)
    first = next(rows, None)
    found = (f"{name}: row {number}" for number in count(1))
    return Table(
        name,
        tuple(first or ()),
        lambda _columns: zip(found, chain([] if first is None else [first], rows)),
        "dataset",
    )


def _rows(name: str, server: str | None) -> Iterator[Row]:
    cache = _cache_directory() / name
    for offset in count(0, PAGE):
        file = cache / f"{offset:07}.json"
        page = _kept(file)
        if page is None:
            page = _fetched(name, offset, server)
            _keep(file, page)
        yield from page
        if len(page) < PAGE:
            return


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "genai-perf" / "datasets"


def _kept(file: Path) -> Sequence[Row] | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[dict[str, Any]])
    except (OSError, msgspec.DecodeError):
        return None


def _keep(file: Path, page: Sequence[Row]) -> None:
    """As a whole or not at all; a cache that cannot be written is none."""
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(msgspec.json.encode(page))
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink()


def _fetched(name: str, offset: int, server: str | None) -> list[Row]:
    """A page from the service. Raises InputError."""
    wanted = f"{name}: rows {offset:,} to {offset + PAGE - 1:,}"
    hint = (
        f"rows that were fetched once are kept in {_cache_directory()}; without a network, take fewer "
        "(--num-dataset-entries), or give a file or a saved data set: --input-file FILE, --input-dataset DIR"
    )
    if hub.is_offline():
        raise InputError(f"{wanted} are not in the local cache, and HF_HUB_OFFLINE is set", hint=hint)
    import httpx
    from huggingface_hub import constants, get_token

    part = _PARTS[name]
    query = {
        "dataset": part.dataset,
        "config": part.config,
        "split": part.split,
        "offset": offset,
        "length": PAGE,
    }
    base = server or constants.ENDPOINT.replace("://", "://datasets-server.")
    token = get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(f"{base}/rows?{urlencode(query)}", headers=headers, timeout=_TIMEOUT_S)
    except httpx.HTTPError as exc:
        reason = str(exc) or type(exc).__name__
        raise InputError(
            f"{wanted} cannot be fetched: the hub does not answer ({reason})", hint=hint
        ) from exc
    return _page(answer, wanted, hint)


def _page(answer: "httpx.Response", wanted: str, hint: str) -> list[Row]:
    try:
        body = answer.json()
        if "error" in body:
            raise InputError(
                f"{wanted} cannot be fetched: {body['error']} (HTTP {answer.status_code})", hint=hint
            )
        if cut := sum(bool(entry.get("truncated_cells")) for entry in body["rows"]):
            logger.warning("%s: %d of them were cut short by the hub, being too long for a page", wanted, cut)
        return [entry["row"] for entry in body["rows"]]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise InputError(
            f"{wanted} cannot be fetched: the hub's answer is none (HTTP {answer.status_code})", hint=hint
        ) from exc
