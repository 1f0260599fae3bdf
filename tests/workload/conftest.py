"""Small tokenizers of every family, trained on the shipped text."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers as hf
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from genai_perf.config.schema import TokenizerConfig
from genai_perf.workload import builtin
from genai_perf.workload.tokenizer import Tokenizer, load

SPECIAL = ["<unk>", "<s>", "</s>"]


def byte_level_bpe() -> hf.Tokenizer:
    """GPT-2's family, adding a special token at the start when asked to."""
    tokenizer = hf.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    _train(
        tokenizer,
        trainers.BpeTrainer(
            vocab_size=700, initial_alphabet=alphabet, special_tokens=SPECIAL, show_progress=False
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def metaspace_bpe() -> hf.Tokenizer:
    """Llama 2's family: a blank before the text, no pre-tokenizer that parts words."""
    tokenizer = hf.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.decoder = decoders.Metaspace()
    _train(tokenizer, trainers.BpeTrainer(vocab_size=900, special_tokens=SPECIAL, show_progress=False))
    tokenizer.pre_tokenizer = None  # as Llama 2's file has it
    return tokenizer


def superword_bpe() -> hf.Tokenizer:
    """Tokens that reach over blanks, as in SuperBPE: words do not add up."""
    tokenizer = hf.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    _train(
        tokenizer,
        trainers.BpeTrainer(
            vocab_size=1500, initial_alphabet=alphabet, show_progress=False, max_token_length=24
        ),
    )
    return tokenizer


def wordpiece() -> hf.Tokenizer:
    """BERT's family, lower case."""
    tokenizer = hf.Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    _train(tokenizer, trainers.WordPieceTrainer(vocab_size=800, special_tokens=SPECIAL, show_progress=False))
    return tokenizer


def unigram() -> hf.Tokenizer:
    """T5's family."""
    tokenizer = hf.Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    _train(
        tokenizer,
        trainers.UnigramTrainer(
            vocab_size=600, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
        ),
    )
    return tokenizer


def single_bytes() -> hf.Tokenizer:
    """A token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = hf.Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _train(tokenizer: hf.Tokenizer, trainer: object) -> None:
    tokenizer.train_from_iterator(builtin.paragraphs()[:400], trainer)


FAMILIES: dict[str, Callable[[], hf.Tokenizer]] = {
    make.__name__: make
    for make in (byte_level_bpe, metaspace_bpe, superword_bpe, wordpiece, unigram, single_bytes)
}


@pytest.fixture(scope="session")
def tokenizer_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A `tokenizer.json` of each family, by its name."""
    directory = tmp_path_factory.mktemp("tokenizers")
    files = {}
    for name, make in FAMILIES.items():
        files[name] = directory / f"{name}.json"
        make().save(str(files[name]))
    return files


@pytest.fixture(params=["builtin", *FAMILIES])
def any_tokenizer(request: pytest.FixtureRequest, tokenizer_files: dict[str, Path]) -> Tokenizer:
    """Each family in turn, and the built-in one."""
    name = request.param
    return load(TokenizerConfig(name=str(tokenizer_files.get(name, name))), "model")


@pytest.fixture(scope="session")
def builtin_tokenizer() -> Tokenizer:
    return load(TokenizerConfig(name="builtin"), "model")
