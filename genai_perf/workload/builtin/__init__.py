"""The tokenizer and the text that ship in the package. README.md here states their origin and licence."""

from pathlib import Path

TOKENIZER_FILE = Path(__file__).with_name("tokenizer.json")

_TEXTS = Path(__file__).with_name("texts")


def paragraphs() -> list[str]:
    """The shipped text, paragraph by paragraph, each on one line with single blanks."""
    texts = (file.read_text(encoding="utf-8") for file in sorted(_TEXTS.glob("*.txt")))
    return [" ".join(paragraph.split()) for text in texts for paragraph in text.split("\n\n")]


def words() -> list[str]:
    """The shipped text, word by word."""
    return [
        word for file in sorted(_TEXTS.glob("*.txt")) for word in file.read_text(encoding="utf-8").split()
    ]
