import pytest

from genai_perf.config import legacy
from genai_perf.config.arguments import Flag, Takes
from genai_perf.config.load import load
from genai_perf.config.options import OPTIONS, Given
from genai_perf.exceptions import UsageError

OWN = {flag: Flag(option.long, Takes.ONE) for option in OPTIONS.values() for flag in option.flags}


def test_what_is_there_is_not_said_to_be_missing():
    assert set() == set(legacy.ALIASES) & set(OWN)
    assert set(legacy.ALIASES.values()) <= set(OWN)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-m", "gpt2"], ["profile", "-m", "gpt2"]),
        (["profile", "-m", "gpt2"], ["profile", "-m", "gpt2"]),
        (["--help"], ["--help"]),
        (["--version"], ["--version"]),
    ],
)
def test_a_line_without_a_command_is_a_profile(argv, expected):
    assert expected == legacy.with_command(argv, ["profile"])


@pytest.mark.parametrize(
    ("flags", "endpoint_type", "kind"),
    [
        (["--service-kind", "triton"], "kserve", "triton"),
        (["--service-kind", "triton", "--backend", "vllm"], "kserve", "triton"),
        (["--backend", "vllm"], "kserve", "triton"),
        (["--service-kind", "triton", "--endpoint-type", "generate"], "generate", "openai"),
        (["--service-kind", "openai", "--endpoint-type", "generate"], "generate", "openai"),
        (["--endpoint-type", "kserve"], "kserve", "triton"),
    ],
)
def test_the_service_kind_and_the_endpoint_type_follow_from_each_other(flags, endpoint_type, kind):
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    keys = {
        "--service-kind": "endpoint.service_kind",
        "--endpoint-type": "endpoint.type",
        "--backend": "endpoint.backend",
    }
    layer = {"endpoint.model_names": Given(("gpt2",), "-m")}
    layer |= {keys[name]: Given((value,), name) for name, value in given.items()}
    loaded = load(layer, [], {})
    config = loaded.config
    assert (endpoint_type, kind, ()) == (config.endpoint.type, config.service_kind, loaded.warnings)


def test_without_an_endpoint_type_it_is_kserve_and_the_user_is_told():
    loaded = load({"endpoint.model_names": Given(("gpt2",), "-m")}, [], {})
    config = loaded.config
    assert "kserve" == config.endpoint.type
    assert ("localhost:8001",) == config.urls
    (note,) = loaded.warnings
    assert note.startswith("no --endpoint-type: kserve is assumed")


@pytest.mark.parametrize("key", ["endpoint.type", "endpoint.service_kind"])
def test_the_in_process_engine_is_refused_with_what_to_use_instead(key):
    layer = {"endpoint.model_names": Given(("gpt2",), "-m"), key: Given(("tensorrtllm_engine",), "--flag")}
    with pytest.raises(UsageError) as raised:
        load(layer, [], {})
    assert raised.value.message.startswith("--flag: tensorrtllm_engine runs inside its client's process")
    assert "trtllm-serve with --endpoint-type chat" in raised.value.hint
