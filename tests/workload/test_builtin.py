from genai_perf.workload import builtin
from genai_perf.workload.builtin import train


def test_the_shipped_tokenizer_is_what_training_on_the_shipped_text_gives() -> None:
    assert train.main(["--check"]) == 0
    assert train.train() == builtin.TOKENIZER_FILE.read_text(encoding="utf-8")


def test_paragraphs_and_words_are_the_same_text() -> None:
    assert " ".join(builtin.paragraphs()).split() == builtin.words()


def test_the_text_is_large_enough_for_many_different_prompts() -> None:
    assert len(builtin.words()) > 100_000
