"""Tokenizer files from the model hub: from its local cache, or fetched within a limit.

`huggingface_hub` retries for most of a minute when the hub cannot be reached, and its threads cannot be
stopped. So it runs in a process of its own (`python -m genai_perf.workload.hub`), which first asks once
whether the hub answers at all, and which is killed when the limit is up. What it fetches lands in the
ordinary cache.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT_S = 4.8
"""For everything a fetch does; leaves the rest of the promised 5 s to what comes before and after."""

TOKENIZER_FILE = "tokenizer.json"

OTHER_FILES = (
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
)
"""What a tokenizer without a `tokenizer.json` may be made of; `transformers` knows how."""

_COMPANIONS = ("config.json", "special_tokens_map.json", "added_tokens.json")
_ROOT = Path(__file__).parents[2]
_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
_TRUE = {"1", "ON", "YES", "TRUE"}


class UnavailableError(Exception):
    """Why the hub gave nothing; reads well after "because"."""


def is_name(name: str) -> bool:
    """Whether the hub could have something of that name: `model` or `organisation/model`."""
    return _NAME.fullmatch(name) is not None and ".." not in name and "--" not in name


def is_offline() -> bool:
    """Whether the environment forbids the hub."""
    given = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return given.upper() in _TRUE


def has_tokenizer(directory: Path) -> bool:
    """Whether a tokenizer can be made from what lies there."""
    return any((directory / file).is_file() for file in (TOKENIZER_FILE, *OTHER_FILES))


def cached(name: str, revision: str) -> Path | None:
    """The directory of that revision in the hub's local cache, if it holds a tokenizer; no network.

    Reads the cache's layout (`refs/BRANCH` names the commit, `snapshots/COMMIT` holds the files) rather
    than import `huggingface_hub`, which takes longer than everything else here.
    """
    repository = _cache_directory() / f"models--{name.replace('/', '--')}"
    try:
        commit = (repository / "refs" / revision).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        commit = revision
    snapshot = repository / "snapshots" / commit
    return snapshot if commit and has_tokenizer(snapshot) else None


def _cache_directory() -> Path:
    """Where `huggingface_hub` keeps its cache, by its own rules."""
    environment = os.environ
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{base}/huggingface"
    cache = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(cache)).expanduser()


def fetch(name: str, revision: str, *, with_code: bool = False, limit_s: float = LIMIT_S) -> Path:
    """Download what the tokenizer is made of and return its directory.

    `with_code` takes the repository's Python files too, where it has no `tokenizer.json`. Raises
    UnavailableError.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_ETAG_TIMEOUT": "3",
        "HF_HUB_DOWNLOAD_TIMEOUT": "4",
    }
    command = [sys.executable, "-P", "-m", __name__, name, revision, *(["--with-code"] if with_code else [])]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"the hub did not deliver it within {limit_s:.0f} s") from None
    except OSError as exc:
        raise UnavailableError(f"the hub could not be asked: {exc}") from exc
    lines = done.stdout.decode(errors="replace").splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        raise UnavailableError("huggingface_hub failed") from None
    if "error" in answer:
        raise UnavailableError(answer["error"])
    return Path(answer["directory"])


def _download(name: str, revision: str, *, with_code: bool) -> str:
    """In the child: the directory with the files. Raises whatever `huggingface_hub` does."""
    from huggingface_hub import hf_hub_download, hf_hub_url, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # exported lazily

    get_session().head(hf_hub_url(name, TOKENIZER_FILE, revision=revision), timeout=3)
    try:
        return str(Path(hf_hub_download(name, TOKENIZER_FILE, revision=revision)).parent)
    except EntryNotFoundError:
        files = [*OTHER_FILES, *_COMPANIONS, *(["*.py"] if with_code else [])]
        return str(snapshot_download(name, revision=revision, allow_patterns=files))


def explain(exc: Exception, name: str, revision: str) -> str:
    """Why the hub gave nothing. By class name: the classes behind it differ between releases."""
    kinds = {kind.__name__ for kind in type(exc).__mro__}
    if "RevisionNotFoundError" in kinds:
        return f"the hub has no revision {revision!r} of it"
    if "GatedRepoError" in kinds:
        return "the hub wants a login for it (HF_TOKEN)"
    if "RepositoryNotFoundError" in kinds:
        return f"the hub has no {name!r}, or wants a login for it (HF_TOKEN)"
    first_line = next(iter(str(exc).splitlines()), "")
    return f"the hub cannot be reached ({first_line or type(exc).__name__})"


def _main(arguments: list[str]) -> None:
    """Print one line of JSON: the directory, or why there is none."""
    name, revision = arguments[:2]
    answer: dict[str, Any]
    try:
        answer = {"directory": _download(name, revision, with_code="--with-code" in arguments)}
    except Exception as exc:  # noqa: BLE001  the parent is to hear of whatever it was
        answer = {"error": explain(exc, name, revision)}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


if __name__ == "__main__":
    _main(sys.argv[1:])
