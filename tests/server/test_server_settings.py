from pathlib import Path

import pytest

from genai_perf.exceptions import UsageError
from genai_perf.server.__main__ import parse_args
from genai_perf.server.settings import ServerSettings

SETTINGS = [
    ServerSettings(),
    ServerSettings(port=0, models=("a", "-b"), verbose=True, ttft_ms=0.5),
    ServerSettings(unix_socket=Path("/tmp/x y"), api_key="-k", truth_log=Path("t.jsonl"), stop_on_eof=True),
    ServerSettings(error_rate=0.25, error_status=429, stall_rate=0.25, reset_rate=0.5, random_seed=-3),
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_command_line_made_of_settings_gives_them_back(settings: ServerSettings) -> None:
    assert settings == parse_args(settings.argv())


def test_several_models_may_follow_one_flag_or_several() -> None:
    assert ("a", "b", "c") == parse_args(["-m", "a", "b", "--model", "c"]).models


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--port", "x"], "--port: 'x' is not a whole number"),
        (["--port", "70000"], "--port: 70000 is not at most 65535"),
        (["--ttft", "-1"], "--ttft: -1 is not at least 0"),
        (["--max-active", "0"], "--max-active: 0 is not at least 1"),
        (["--error-rate", "1.5"], "--error-rate: 1.5 is not at most 1"),
        (
            ["--error-rate", ".6", "--reset-rate", ".6"],
            "--error-rate, --stall-rate and --reset-rate: add up to 1.2",
        ),
        (["--tls-key-file", "k.pem"], "--tls-key-file: needs --tls-cert-file as well"),
    ],
)
def test_a_wrong_value_is_named_with_its_flag(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_args(argv)
    assert message == caught.value.message


def test_the_latency_model_counts_in_nanoseconds() -> None:
    model = ServerSettings(
        ttft_ms=1.5, ttft_per_input_token_ms=0.02, itl_ms=3, itl_per_request_ms=0.001
    ).latency
    assert (1_500_000, 20_000, 3_000_000, 1_000) == (
        model.ttft_ns,
        model.ttft_per_input_token_ns,
        model.itl_ns,
        model.itl_per_request_ns,
    )
