"""Which settings make two runs comparable."""

from dataclasses import replace
from pathlib import Path

import pytest
from scenarios import CHAT, chat

from genai_perf.analyze import identity
from genai_perf.config.schema import (
    Config,
    EndpointConfig,
    InputConfig,
    LoadConfig,
    MetricsConfig,
    OutputConfig,
)
from genai_perf.exceptions import InputError


def digest(config: Config) -> str:
    return identity.digest(identity.settings(config))


def endpoint(**changes: object) -> Config:
    return replace(CHAT, endpoint=replace(CHAT.endpoint, **changes))


@pytest.mark.parametrize(
    "changed",
    [
        endpoint(urls=("elsewhere:8000",)),
        endpoint(headers=("Authorization: Bearer renewed",)),
        endpoint(tls_verify=False),
        endpoint(service_kind="openai"),
        replace(
            CHAT,
            output=OutputConfig(artifact_dir=Path("elsewhere"), verbose=True, profile_export_file="x.json"),
        ),
        replace(CHAT, load=LoadConfig(concurrency=1)),
        replace(CHAT, load=LoadConfig(request_count=10)),
        replace(CHAT, tokenizer=replace(CHAT.tokenizer, name="builtin")),
    ],
)
def test_what_cannot_change_a_figure_does_not_part_results(changed: Config) -> None:
    assert digest(CHAT) == digest(changed)


@pytest.mark.parametrize(
    "changed",
    [
        endpoint(model_names=("gpt3",)),
        endpoint(streaming=False),
        endpoint(headers=()),
        endpoint(request_timeout_s=1.0),
        replace(CHAT, load=LoadConfig(concurrency=2)),
        replace(CHAT, load=LoadConfig(request_count=11)),
        replace(CHAT, load=LoadConfig(request_rate=1.0)),
        replace(CHAT, load=LoadConfig(measurement_request_count=10)),
        replace(CHAT, input=InputConfig(output_tokens_mean=5)),
        replace(CHAT, input=InputConfig(extra={"top_k": 1})),
        replace(CHAT, metrics=MetricsConfig(goodput={"request_latency": 5.0})),
        replace(CHAT, tokenizer=replace(CHAT.tokenizer, name=None)),
    ],
)
def test_what_can_change_a_figure_does(changed: Config) -> None:
    assert digest(CHAT) != digest(changed)


def test_settings_are_those_that_were_given_and_what_defaults_come_to() -> None:
    assert {
        "endpoint.headers": ["Authorization: ***"],
        "endpoint.model_names": ["gpt2"],
        "endpoint.streaming": True,
        "endpoint.type": "chat",
        "load.concurrency": 8,
        "load.request_count": 16,
        "tokenizer.name": "builtin",
    } == identity.settings(chat(8))


def test_the_hash_stays_what_it_is() -> None:
    """Another one would make every stored result incomparable."""
    settings = {"endpoint.model_names": ["gpt2"], "load.concurrency": 8}
    assert identity.digest(settings) == identity.digest(dict(reversed(settings.items())))
    assert "ffe3f3363341209ce1038bccdb106aed790e10dec3737e9bac65c0a58c24e7b7" == identity.digest(settings)


def test_five_and_five_point_zero_are_one_rate() -> None:
    def at(rate: float) -> Config:
        return replace(CHAT, load=LoadConfig(request_rate=rate))

    assert digest(at(5)) == digest(at(5.0))
    assert digest(at(5)) != digest(at(5.5))


def test_an_input_file_counts_by_its_content(tmp_path: Path) -> None:
    def of(path: Path) -> str:
        return digest(replace(CHAT, input=InputConfig(file=str(path))))

    one, copy, other = tmp_path / "one.jsonl", tmp_path / "copy.jsonl", tmp_path / "other.jsonl"
    one.write_text('{"text": "a"}\n')
    copy.write_text('{"text": "a"}\n')
    other.write_text('{"text": "b"}\n')
    assert of(one) == of(copy) != of(other)
    before = of(tmp_path)
    other.write_text('{"text": "changed"}\n')
    assert before != of(tmp_path)


def test_an_input_that_is_no_file_counts_by_its_name_and_a_prefix_stays(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text("{}\n")
    of = lambda name: identity.settings(replace(CHAT, input=InputConfig(file=name)))["input.file"]  # noqa: E731
    assert "synthetic:queries" == of("synthetic:queries")
    assert of(f"payload:{trace}").startswith("payload: sha256 ")
    one = of(f"inputs:{trace}")
    assert one + one.removeprefix("inputs:").replace(" sha", ", sha", 1) == of(f"inputs:{trace},{trace}")
    assert f"inputs:{trace},gone" == of(f"inputs:{trace},gone")
    assert "synthetic:" == of("synthetic:")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere.jsonl")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        identity.settings(replace(CHAT, input=InputConfig(file=str(tmp_path))))


def test_a_new_option_at_its_default_does_not_part_results() -> None:
    """Only what differs from the defaults is in the settings, so what is added to the schema later is not."""
    plain = Config(endpoint=EndpointConfig(model_names=("gpt2",)))
    assert {"endpoint.model_names", "tokenizer.name", "load.concurrency", "load.request_count"} == set(
        identity.settings(plain)
    )


def test_differences_are_told_by_option() -> None:
    stored = {"load.request_count": 16, "input.batch_size": 2}
    wanted = {"load.request_count": 32, "endpoint.streaming": True}
    assert [
        "endpoint.streaming: not set, now True",
        "input.batch_size: 2, now not set",
        "load.request_count: 16, now 32",
    ] == identity.differences(stored, wanted)
