"""Rebuild `tokenizer.json` from the texts beside it, bit for bit.

`python -m genai_perf.workload.builtin.train` writes it; with `--check` nothing is written, and the exit code
is 1 if the file is not what training gives. The trainer is deterministic: merges go by frequency, then by the
ids of the pair, on any number of cores.
"""

import sys

from genai_perf.workload.builtin import TOKENIZER_FILE, paragraphs

VOCABULARY = 8192


def train() -> str:
    """The tokenizer as JSON: byte-level BPE, split into words as GPT-2 does, without special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(paragraphs(), trainer)
    return str(tokenizer.to_str()) + "\n"


def main(arguments: list[str]) -> int:
    """Write the tokenizer, or with `--check` say whether the one that stands here is right."""
    trained = train()
    if "--check" not in arguments:
        TOKENIZER_FILE.write_text(trained, encoding="utf-8")
        return 0
    if trained == TOKENIZER_FILE.read_text(encoding="utf-8"):
        return 0
    sys.stderr.write(f"{TOKENIZER_FILE.name} is stale: run python -m {__spec__.name}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
