import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.config.schema import TokenizerConfig
from genai_perf.exceptions import TokenizerError
from genai_perf.workload import hub
from genai_perf.workload.tokenizer import Source, Tokenizer, load


@pytest.fixture(autouse=True)
def an_empty_cache_and_no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def put_in_cache(tmp_path: Path, name: str, file: Path, revision: str = "main") -> None:
    repository = tmp_path / "hf" / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / revision).write_text("0123abc")
    (snapshot / "tokenizer.json").write_bytes(file.read_bytes())


def test_builtin_is_taken_when_asked_for() -> None:
    tokenizer = load(TokenizerConfig(name="builtin"), "model")

    assert tokenizer.info() == {
        "name": "builtin",
        "kind": "builtin",
        "reason": "the built-in tokenizer: as asked",
        "fingerprint": tokenizer.fingerprint,
    }
    assert len(tokenizer.fingerprint) == 64
    assert tokenizer.vocab_size == 8192


@pytest.mark.parametrize("by", ["file", "directory"])
def test_a_local_tokenizer_is_read_from_its_file_or_directory(
    by: str, tmp_path: Path, tokenizer_files: dict[str, Path]
) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_bytes(tokenizer_files["byte_level_bpe"].read_bytes())
    name = str(file if by == "file" else tmp_path)

    tokenizer = load(TokenizerConfig(name=name), "model")

    assert (tokenizer.name, tokenizer.kind) == (name, Source.LOCAL)
    assert tokenizer.reason == f"the tokenizer from {name}"
    assert tokenizer.vocab_size == 700


def test_the_models_name_may_be_a_local_directory(tmp_path: Path, tokenizer_files: dict[str, Path]) -> None:
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_files["wordpiece"].read_bytes())

    assert load(TokenizerConfig(), str(tmp_path)).kind is Source.LOCAL


def test_special_tokens_are_not_counted(tokenizer_files: dict[str, Path]) -> None:
    tokenizer = load(TokenizerConfig(name=str(tokenizer_files["byte_level_bpe"])), "model")

    assert tokenizer.encode("") == []
    assert 1 not in tokenizer.encode("a word")


def test_truncation_and_padding_in_the_file_are_turned_off(
    tmp_path: Path, tokenizer_files: dict[str, Path]
) -> None:
    import tokenizers

    backend = tokenizers.Tokenizer.from_file(str(tokenizer_files["byte_level_bpe"]))
    backend.enable_truncation(4)
    backend.enable_padding(length=16)
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load(TokenizerConfig(name=str(tmp_path)), "model")

    short, long = tokenizer.count(["a", "many words in a row that are far more than four tokens"])

    assert short == 1
    assert long > 16


@given(st.lists(st.text()))
def test_counts_are_the_lengths_of_the_encodings(builtin_tokenizer: Tokenizer, texts: list[str]) -> None:
    assert builtin_tokenizer.count(texts) == [len(builtin_tokenizer.encode(text)) for text in texts]
    assert [builtin_tokenizer.decode(builtin_tokenizer.encode(text)) for text in texts] == texts


def test_half_a_surrogate_pair_is_counted_rather_than_raised(builtin_tokenizer: Tokenizer) -> None:
    assert builtin_tokenizer.count(["broken \ud83d"]) == builtin_tokenizer.count(["broken ?"])


def test_many_texts_are_counted_in_order_across_batches(
    builtin_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["a " * i for i in range(50)]
    together = builtin_tokenizer.count(texts)
    monkeypatch.setattr("genai_perf.workload.tokenizer.BATCH_CHARACTERS", 300)

    assert builtin_tokenizer.count(texts) == together


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such/place", "--tokenizer: '/no/such/place' does not exist"),
        ("./nothing", "--tokenizer: './nothing' does not exist"),
        ("~nobody-at-all/tokenizer", "--tokenizer: '~nobody-at-all/tokenizer' does not exist"),
        ("tokenizer.json", "--tokenizer: 'tokenizer.json' does not exist"),
        ("a/b/c", "--tokenizer: 'a/b/c' does not exist"),
        ("not a name", "--tokenizer: 'not a name' does not exist"),
    ],
)
def test_a_path_without_a_tokenizer_is_an_error(name: str, message: str) -> None:
    with pytest.raises(TokenizerError) as caught:
        load(TokenizerConfig(name=name), "model")

    assert caught.value.message == message
    assert caught.value.exit_code == 2


def test_a_directory_without_a_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=f"no tokenizer.json in the directory {tmp_path}"):
        load(TokenizerConfig(name=str(tmp_path)), "model")


def test_a_file_that_is_no_tokenizer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")

    with pytest.raises(TokenizerError, match=r"tokenizer\.json: not a tokenizer\.json: "):
        load(TokenizerConfig(name=str(tmp_path)), "model")


@pytest.mark.parametrize(
    ("config", "model", "reason"),
    [
        (
            TokenizerConfig(),
            "gpt2",
            "the built-in tokenizer: 'gpt2' is not in the local hub cache, and HF_HUB_OFFLINE is set",
        ),
        (
            TokenizerConfig(name="org/model", revision="v2"),
            "gpt2",
            "the built-in tokenizer: 'org/model' at revision v2 is not in the local hub cache, "
            "and HF_HUB_OFFLINE is set",
        ),
        (
            TokenizerConfig(),
            "/models/on/the/server",
            "the built-in tokenizer: '/models/on/the/server' is neither a local tokenizer nor a hub name",
        ),
    ],
)
def test_a_name_that_cannot_be_had_gives_the_builtin_one_and_says_why(
    config: TokenizerConfig, model: str, reason: str
) -> None:
    tokenizer = load(config, model)

    assert (tokenizer.name, tokenizer.kind) == ("builtin", Source.BUILTIN)
    assert tokenizer.reason == reason


@pytest.mark.parametrize("revision", ["main", "v2", "0123abc"])
def test_the_local_hub_cache_comes_first(
    revision: str, tmp_path: Path, tokenizer_files: dict[str, Path]
) -> None:
    branch = "main" if revision == "0123abc" else revision
    put_in_cache(tmp_path, "org/model", tokenizer_files["unigram"], branch)

    tokenizer = load(TokenizerConfig(revision=revision), "org/model")

    assert (tokenizer.name, tokenizer.kind) == ("org/model", Source.CACHE)
    at = "" if revision == "main" else f" at revision {revision}"
    assert tokenizer.reason == f"the tokenizer 'org/model' from the local hub cache{at}"


def test_a_broken_file_in_the_cache_gives_the_builtin_one(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    put_in_cache(tmp_path, "gpt2", tmp_path / "broken.json")

    tokenizer = load(TokenizerConfig(), "gpt2")

    assert tokenizer.kind is Source.BUILTIN
    assert tokenizer.reason.startswith("the built-in tokenizer: 'gpt2' cannot be used: ")


def test_a_tokenizer_without_its_json_is_read_by_transformers(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "word", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))

    tokenizer = load(TokenizerConfig(name=str(tmp_path)), "model")

    assert tokenizer.reason == f"the tokenizer from {tmp_path}, read by transformers"
    assert tokenizer.encode("a words") == [5, 6, 7]
    assert tokenizer.count(["", "a", "words words"]) == [0, 1, 4]


def test_a_tokenizer_that_wants_to_run_its_own_code_is_refused_unless_trusted(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["own.Own", None]}, "tokenizer_class": "Own"})
    )
    (tmp_path / "own.py").write_text(OWN_TOKENIZER)
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(TokenizerError, match="transformers cannot read this tokenizer"):
        load(TokenizerConfig(name=str(tmp_path)), "model")
    trusted = load(TokenizerConfig(name=str(tmp_path), trust_remote_code=True), "model")
    assert trusted.encode("abc") == [97, 98, 99]
    assert trusted.count(["abc", ""]) == [3, 0]
    assert trusted.decode([97, 98]) == "ab"


OWN_TOKENIZER = """
from transformers import PreTrainedTokenizer

class Own(PreTrainedTokenizer):
    vocab_size = 256
    def get_vocab(self):
        return {chr(i): i for i in range(256)}
    def _tokenize(self, text):
        return list(text)
    def _convert_token_to_id(self, token):
        return ord(token)
    def _convert_id_to_token(self, index):
        return chr(index)
    def convert_tokens_to_string(self, tokens):
        return "".join(tokens)
"""


class Hub(http.server.BaseHTTPRequestHandler):
    """What `huggingface_hub` needs to see of the hub, or its silence."""

    files: ClassVar[dict[str, bytes]]
    stalls: threading.Event | None

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        if self.stalls:
            self.stalls.wait()
            return
        content = self.files.get(self.path)
        if content is None:
            known = any(self.path.startswith(path.rsplit("/", 1)[0]) for path in self.files)
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
            self.send_header("X-Repo-Commit", "c0ffee")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", '"e7a6"')
        self.send_header("X-Repo-Commit", "c0ffee")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on loopback; put files into `.files`, set `.stalls` to keep it from answering."""

    class Handler(Hub):
        files: ClassVar[dict[str, bytes]] = {}
        stalls = None

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        yield Handler
        if Handler.stalls:
            Handler.stalls.set()
        server.shutdown()


def test_what_the_hub_has_is_fetched_once_and_then_found_in_the_cache(
    fake_hub: type[Hub], tokenizer_files: dict[str, Path]
) -> None:
    fake_hub.files["/org/model/resolve/main/tokenizer.json"] = tokenizer_files["unigram"].read_bytes()

    first = load(TokenizerConfig(), "org/model", limit_s=60)
    fake_hub.files.clear()
    second = load(TokenizerConfig(), "org/model", limit_s=60)

    assert first.reason == "the tokenizer 'org/model' fetched from the hub"
    assert (first.kind, second.kind) == (Source.HUB, Source.CACHE)
    assert first.fingerprint == second.fingerprint


def test_a_name_that_the_hub_does_not_know_gives_the_builtin_one(fake_hub: type[Hub]) -> None:
    tokenizer = load(TokenizerConfig(), "org/nothing", limit_s=60)

    assert tokenizer.kind is Source.BUILTIN
    assert tokenizer.reason == (
        "the built-in tokenizer: 'org/nothing' is not in the local hub cache, "
        "and the hub has no 'org/nothing', or wants a login for it (HF_TOKEN)"
    )


def test_a_hub_that_does_not_answer_is_given_up_at_the_limit(fake_hub: type[Hub]) -> None:
    fake_hub.stalls = threading.Event()

    tokenizer = load(TokenizerConfig(), "gpt2", limit_s=1)

    assert tokenizer.reason == (
        "the built-in tokenizer: 'gpt2' is not in the local hub cache, "
        "and the hub did not deliver it within 1 s"
    )


def test_a_hub_that_cannot_be_reached_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    tokenizer = load(TokenizerConfig(), "gpt2", limit_s=60)

    assert tokenizer.kind is Source.BUILTIN
    assert "and the hub cannot be reached (" in tokenizer.reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt2", True),
        ("org/model-7b.v1", True),
        ("a/b/c", False),
        ("/absolute", False),
        ("./here", False),
        ("with blank", False),
        ("", False),
        ("up/../there", False),
    ],
)
def test_hub_names_are_told_from_paths(name: str, expected: bool) -> None:
    assert hub.is_name(name) == expected


def test_the_builtin_tokenizer_needs_neither_transformers_nor_the_hub() -> None:
    program = (
        "import sys\n"
        "from genai_perf.config.schema import TokenizerConfig\n"
        "from genai_perf.workload import build, tokenizer\n"
        "assert 'tokenizers' not in sys.modules\n"
        "tokenizer.load(TokenizerConfig(name='builtin'), '').count(['a'])\n"
        "assert 'transformers' not in sys.modules\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
