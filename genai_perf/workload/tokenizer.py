"""Which tokenizer counts the tokens, and counting with it.

`load` looks in this order and always says why it took what it took: a local directory or `tokenizer.json`,
the hub's local cache, the hub (a few seconds at most, never when HF_HUB_OFFLINE is set), the built-in one.
A `tokenizer.json` is read by `tokenizers`; `transformers`, which takes most of a second to import, is for the
few that are made of something else.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from genai_perf.config.schema import TokenizerConfig
from genai_perf.exceptions import TokenizerError
from genai_perf.workload import builtin, hub

BATCH_CHARACTERS = 2_000_000
"""Texts are encoded in batches of about this size, which bounds what the encodings take in memory."""


class Source(StrEnum):
    """Where a tokenizer came from."""

    LOCAL = "local"
    CACHE = "cache"
    HUB = "hub"
    BUILTIN = "builtin"


@dataclass(frozen=True, slots=True, eq=False)
class Tokenizer:
    """A tokenizer and where it came from. Special tokens are never added."""

    name: str
    kind: Source
    reason: str
    """Which one is used and why, in one sentence for people."""
    fingerprint: str
    """SHA-256 of what it was read from, in hex."""
    vocab_size: int
    _encode: Callable[[list[str]], list[list[int]]]
    _count: Callable[[list[str]], list[int]]
    _decode: Callable[[Sequence[int]], str]

    def encode(self, text: str) -> list[int]:
        """Ids of the tokens in a text."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Iterable[str]) -> list[list[int]]:
        """Ids of the tokens in each text."""
        return [ids for batch in _batches(texts) for ids in self._encode(batch)]

    def count(self, texts: Iterable[str]) -> list[int]:
        """How many tokens each text has. On all cores, and without holding up other threads."""
        return [count for batch in _batches(texts) for count in self._count(batch)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these tokens; special ones are left out."""
        return self._decode(ids)

    def info(self) -> dict[str, str]:
        """What a run's record says about it."""
        return {
            "name": self.name,
            "kind": str(self.kind),
            "reason": self.reason,
            "fingerprint": self.fingerprint,
        }


def load(config: TokenizerConfig, model_name: str, *, limit_s: float = hub.LIMIT_S) -> Tokenizer:
    """The tokenizer that `--tokenizer` asks for; without it, the one of the model's name.

    A name that cannot be had costs at most `limit_s` and gives the built-in tokenizer. Raises
    TokenizerError when `--tokenizer` is a path with no tokenizer, or when a local one cannot be read.
    """
    name = config.name or model_name
    if config.name == "builtin":
        return _builtin("as asked")
    path = _local(name)
    if path and ((config.name and path.is_file()) or hub.has_tokenizer(path)):
        return _read(path, name, Source.LOCAL, f"from {path}", config)
    if config.name and (_looks_like_a_path(name) or not hub.is_name(name)):
        what = f"no tokenizer.json in the directory {name}" if path else f"{name!r} does not exist"
        raise TokenizerError(f"--tokenizer: {what}", hint="give a directory, a hub name, or builtin")
    if not hub.is_name(name):
        return _builtin(f"{name!r} is neither a local tokenizer nor a hub name")
    return _from_hub(name, config, limit_s)


def _from_hub(name: str, config: TokenizerConfig, limit_s: float) -> Tokenizer:
    """From the cache or the hub, or else the built-in one."""
    revision = config.revision
    at = "" if revision == "main" else f" at revision {revision}"
    try:
        if snapshot := hub.cached(name, revision):
            return _read(snapshot, name, Source.CACHE, f"from the local hub cache{at}", config)
        if hub.is_offline():
            return _builtin(f"{name!r}{at} is not in the local hub cache, and HF_HUB_OFFLINE is set")
        snapshot = hub.fetch(name, revision, with_code=config.trust_remote_code, limit_s=limit_s)
        return _read(snapshot, name, Source.HUB, f"fetched from the hub{at}", config)
    except hub.UnavailableError as exc:
        return _builtin(f"{name!r} is not in the local hub cache, and {exc}")
    except TokenizerError as exc:
        return _builtin(f"{name!r} cannot be used: {exc.message}")


def _builtin(why: str) -> Tokenizer:
    file = builtin.TOKENIZER_FILE
    backend = _parse(file)
    return _wrap(backend, "builtin", Source.BUILTIN, f"the built-in tokenizer: {why}", _fingerprint([file]))


def _local(name: str) -> Path | None:
    """What exists under that name, if anything."""
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError):  # too long for a path; the home directory of nobody
        return None


def _looks_like_a_path(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or name.endswith((".json", ".model", "/")) or name.count("/") > 1


def _read(path: Path, name: str, kind: Source, origin: str, config: TokenizerConfig) -> Tokenizer:
    """Read a `tokenizer.json`, or a directory with one or with what `transformers` makes one of."""
    reason = f"the tokenizer {name!r} {origin}" if kind is not Source.LOCAL else f"the tokenizer {origin}"
    file = path if path.is_file() else path / hub.TOKENIZER_FILE
    if file.is_file():
        return _wrap(_parse(file), name, kind, reason, _fingerprint([file]))
    pretrained = _transformers(path, config.trust_remote_code)
    fingerprint = _fingerprint(path / part for part in hub.OTHER_FILES)
    reason += ", read by transformers"
    if backend := getattr(pretrained, "backend_tokenizer", None):
        return _wrap(backend, name, kind, reason, fingerprint)

    def encode(texts: list[str]) -> list[list[int]]:
        return [list(pretrained.encode(text, add_special_tokens=False)) for text in texts]

    return Tokenizer(
        name=name,
        kind=kind,
        reason=reason,
        fingerprint=fingerprint,
        vocab_size=len(pretrained),
        _encode=encode,
        _count=lambda texts: [len(ids) for ids in encode(texts)],
        _decode=lambda ids: str(pretrained.decode(ids, skip_special_tokens=True)),
    )


def _parse(file: Path) -> Any:
    """What `tokenizers` reads, with the truncation and padding that a file may ask for turned off."""
    from tokenizers import Tokenizer as Backend

    try:
        backend = Backend.from_file(str(file))
    except Exception as exc:  # tokenizers raises nothing narrower
        raise TokenizerError(f"{file}: not a tokenizer.json: {exc}") from exc
    backend.no_truncation()
    backend.no_padding()
    return backend


def _transformers(directory: Path, trust_remote_code: bool) -> Any:
    import transformers

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        return transformers.AutoTokenizer.from_pretrained(
            directory, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception as exc:  # a repository's own code may raise anything
        first_line = next(iter(str(exc).splitlines()), type(exc).__name__)
        raise TokenizerError(f"{directory}: transformers cannot read this tokenizer: {first_line}") from exc


def _wrap(backend: Any, name: str, kind: Source, reason: str, fingerprint: str) -> Tokenizer:
    """Make a Tokenizer of one of `tokenizers`; only its batch calls release the GIL."""

    def encode(texts: list[str]) -> list[Any]:
        encodings: list[Any] = backend.encode_batch_fast(texts, add_special_tokens=False)
        return encodings

    return Tokenizer(
        name=name,
        kind=kind,
        reason=reason,
        fingerprint=fingerprint,
        vocab_size=backend.get_vocab_size(),
        _encode=lambda texts: [encoding.ids for encoding in encode(texts)],
        _count=lambda texts: [len(encoding) for encoding in encode(texts)],
        _decode=lambda ids: str(backend.decode(list(ids))),
    )


def _fingerprint(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Cut texts into lists of about BATCH_CHARACTERS."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(_speakable(text))
        characters += len(text) + 100  # a short text costs as well
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _speakable(text: str) -> str:
    """Replace halves of surrogate pairs, which a broken stream may hold and no tokenizer takes."""
    if text.isascii():
        return text
    return text.encode("utf-8", errors="replace").decode("utf-8")
