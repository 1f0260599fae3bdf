"""Conversations as data sets write them, in order and out of it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.exceptions import InputError
from genai_perf.types import Turn
from genai_perf.workload.chats import turns
from genai_perf.workload.media import readers


def of(messages: Any, image: Any = None) -> tuple[tuple[Turn, ...], dict[str, int]]:
    odd: Counter[str] = Counter()
    return turns(messages, "row 1", odd, image), dict(odd)


def sharegpt(*said: str) -> list[dict[str, str]]:
    """From lines like `human: hello`."""
    pairs = [line.partition(": ") for line in said]
    return [{"from": speaker, "value": text} for speaker, _, text in pairs]


def test_both_forms_say_the_same() -> None:
    expected = (Turn(("Hi",), system="Be brief.", answer="Hello"), Turn(("Bye",)))
    assert (expected, {}) == of(sharegpt("system: Be brief.", "human: Hi", "gpt: Hello", "human: Bye"))
    roles = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")]
    assert (expected, {}) == of([{"role": role, "content": text} for role, text in roles])


@pytest.mark.parametrize(
    ("said", "expected", "odd"),
    [
        (["gpt: Hi", "human: Q", "gpt: A"], [("Q", "A")], "with an answer before any question"),
        (["gpt: Hi"], [], "with an answer before any question"),
        ([], [], "without a word of the user"),
        (["system: S"], [], "without a word of the user"),
        (["human: Q", "human: more"], [("Q\n\nmore", None)], "with messages in a row by the same speaker"),
        (["human: Q", "gpt: A", "gpt: B"], [("Q", "A\n\nB")], "with messages in a row by the same speaker"),
        (["human: Q", "gpt: "], [("Q", None)], "with an empty message"),
        (["human: Q", "gpt: ", "human: R"], [("Q", None)], "with an empty message"),
        (["human: Q", "gpt: A", "human:  ", "gpt: B"], [("Q", "A")], "with an empty message"),
        (["human: ", "gpt: A"], [], "with an empty message"),
        (["gpt: ", "human: Q"], [("Q", None)], "with an empty message"),
        (["human: Q", "gpt: A", "tool: 7", "gpt: B"], [("Q", "A")], "with a message by tool"),
        (
            ["human: Q", "gpt: A", "system: S", "human: R"],
            [("Q", "A"), ("R", None)],
            "with a system message in the middle",
        ),
    ],
)
def test_what_is_out_of_order_is_put_right_or_left_out_and_counted(
    said: list[str], expected: list[tuple[str, str | None]], odd: str
) -> None:
    found, counted = of(sharegpt(*said))
    assert expected == [(turn.texts[0], turn.answer) for turn in found]
    assert 1 == counted[odd]


def test_several_messages_of_the_system_are_one() -> None:
    found, odd = of(sharegpt("system: One.", "system: Two.", "human: Q"))
    assert ("One.\n\nTwo.", {}) == (found[0].system, odd)


def test_parts_are_texts_and_images() -> None:
    content = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "a.png"}},
        {"type": "text", "text": "What is it?"},
    ]
    (turn,), odd = of([{"role": "user", "content": content}], image=lambda name: f"data:{name}")
    assert ("Look:\nWhat is it?", ("data:a.png",), {}) == (turn.texts[0], turn.images, odd)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ("hello", "row 1: not a list of messages: 'hello'"),
        ({"role": "user"}, "row 1: not a list of messages: "),
        (["hello"], "row 1: message 1: not an object: 'hello'"),
        ([{"role": "user"}], 'row 1: message 1: no "content" field'),
        ([{"text": "x"}], 'row 1: message 1: no "role" field'),
        ([{"from": "human", "value": 7}], "row 1: message 1: \"value\" is not a string: '7'"),
        (
            [{"role": "user", "content": [{"type": "video"}]}],
            "row 1: message 1: a part that is neither text nor an image: ",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.png"}}]}],
            "row 1: message 1: has an image; this endpoint takes text only",
        ),
    ],
)
def test_what_is_no_conversation_is_an_error(messages: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        of(messages)
    assert raised.value.message.startswith(message)


SAID = st.lists(
    st.fixed_dictionaries(
        {
            "from": st.sampled_from(["human", "gpt", "system", "tool", "user", "assistant", "bing"]),
            "value": st.sampled_from(["", " ", "a", "b", "c"]),
        }
    ),
    max_size=8,
)


@given(SAID)
def test_every_turn_says_something_and_all_but_the_last_were_answered(messages: list[dict[str, str]]) -> None:
    found, odd = of(messages)
    assert all(turn.texts and turn.texts[0].strip() for turn in found)
    assert all(turn.answer for turn in found[:-1])
    assert all(turn.system is None for turn in found[1:])
    assert bool(found) != ("without a word of the user" in odd)
    left_out = len([each for each in messages if each["value"].strip()]) - sum(
        len(text.split("\n\n"))
        for turn in found
        for text in (turn.system, turn.texts[0], turn.answer)
        if text is not None
    )
    assert odd or not left_out


def test_an_image_that_is_none_is_named_with_its_message(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image")
    read = readers(tmp_path)["image"]
    content = [{"type": "image_url", "image_url": {"url": "a.png"}}]
    messages = [{"role": "system", "content": "Look."}, {"role": "user", "content": content}]
    with pytest.raises(InputError) as raised:
        of(messages, image=read)
    assert raised.value.message == "row 1: message 2: Failed to open image 'a.png'."
    assert raised.value.hint == "it is no image"
