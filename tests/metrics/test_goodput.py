import pytest

from genai_perf.exceptions import UsageError
from genai_perf.metrics.goodput import check_goodput


def test_what_this_run_can_measure_is_accepted() -> None:
    slos = {"time_to_first_token": 75.0, "inter_token_latency": 19.75, "request_latency_from_due": 0}
    check_goodput(slos, streaming=True, produces_tokens=True, open_loop=True)


@pytest.mark.parametrize(
    ("slos", "run", "message", "hint"),
    [
        ({"time_to_frist_token": 1}, {}, "did you mean 'time_to_first_token'?", "request_latency,"),
        ({"zebra": 1}, {}, "--goodput: no metric named 'zebra'", "metrics with a goodput"),
        ({"request_throughput": 1}, {}, "request_throughput is one figure of the whole run", "metrics with"),
        (
            {"inter_chunk_latency": 1},
            {},
            "of each gap, of which a request has many",
            "metrics with a goodput",
        ),
        ({"reasoning_token_count": 1}, {}, "neither better nor worse when it is greater", "metrics with a"),
        ({"request_latency": -1}, {}, "request_latency:-1 is not at least 0", None),
        ({"request_latency": float("nan")}, {}, "request_latency:nan is not at least 0", None),
        ({"time_to_first_token": 1}, {"streaming": False}, "without streaming", "add --streaming"),
        ({"inter_token_latency": 1}, {"produces_tokens": False}, "answers without tokens", "request_latency"),
        ({"request_latency_from_due": 1}, {"open_loop": False}, "in a closed loop", "--request-rate"),
    ],
)
def test_what_it_cannot_is_refused_with_what_would_work(
    slos: dict[str, float], run: dict[str, bool], message: str, hint: str | None
) -> None:
    with pytest.raises(UsageError) as refused:
        check_goodput(slos, **({"streaming": True, "produces_tokens": True, "open_loop": True} | run))
    assert message in refused.value.message
    if hint is None:
        assert refused.value.hint is None
    else:
        assert hint in (refused.value.hint or "")
