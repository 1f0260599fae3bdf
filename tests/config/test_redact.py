import pytest

from genai_perf.config.redact import redact


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["profile", "-m", "gpt2"], "profile -m gpt2"),
        (["-H", "Authorization: Bearer sk-1"], "-H 'Authorization: ***'"),
        (["-HAuthorization:sk-1"], "'-HAuthorization: ***'"),
        (["-vH", "X-Key:sk-1"], "-vH 'X-Key: ***'"),
        (["--header", "X-Key:sk-1"], "--header 'X-Key: ***'"),
        (["--header=X-Key:sk-1"], "'--header=X-Key: ***'"),
        (["--head", "X-Key:sk-1", "--concurrency", "2"], "--head 'X-Key: ***' --concurrency 2"),
        (["-H", "sk-1"], "-H '***'"),
        (["--", "-H", "X-Key: sk-1"], "-- -H 'X-Key: ***'"),
        (["--proxy", "http://me:sk-1@host:3128"], "--proxy 'http://***@host:3128'"),
        (["--proxy=http://me:sk@1@host:3128"], "'--proxy=http://***@host:3128'"),
        (["--extra-inputs", "auth:Bearer sk-1"], "--extra-inputs 'auth:Bearer ***'"),
        (["--help"], "--help"),
    ],
)
def test_a_recorded_command_line_has_no_secrets(argv, expected):
    assert expected == redact(argv)
    assert "sk-1" not in redact(argv)
