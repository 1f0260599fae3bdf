"""What Triton's models did, from its counters before and after."""

from genai_perf.metrics.server_statistics import during, requests


def row(name, count=0, executions=None, version="1", **ns):
    """As Triton writes it: every stage that took `ns` did so for each request."""
    stages = {stage: {"count": count, "ns": spent} for stage, spent in ns.items()}
    return {
        "name": name,
        "version": version,
        "inference_count": count,
        "execution_count": count if executions is None else executions,
        "inference_stats": {"success": {"count": count, "ns": ns.get("success", 0)}, **stages},
    }


def test_counters_are_told_as_differences():
    told = during(
        [row("m", 10, 10, queue=100, success=900)],
        [row("m", 30, 15, queue=700, success=2900)],
        {"m": True},
        (),
    )
    (model,) = told.values()
    assert ("measured", True, 20, 5) == tuple(
        model[key] for key in ("part", "decoupled", "inference_count", "execution_count")
    )
    assert {"count": 20, "ns": 600} == model["queue"]
    assert {"count": 20, "ns": 2000} == model["success"]
    assert {"count": 0, "ns": 0} == model["cache_hit"]


def test_models_stand_in_the_order_of_why_they_are_told_of():
    names = ["beside", "ensemble", "idle", "pre", "post"]
    later = [row(name, 0 if name == "idle" else 3) for name in names]
    told = during([], later, {"ensemble": True}, ("pre", "post", "gone"))
    assert [("ensemble", "measured"), ("pre", "step"), ("post", "step"), ("beside", "beside")] == [
        (name, model["part"]) for name, model in told.items()
    ]
    assert [True, None, None, None] == [model["decoupled"] for model in told.values()]


def test_models_that_the_user_names_are_told_of_even_when_idle():
    names = ["other", "bls", "busy", "idle"]
    later = [row(name, 0 if name == "idle" else 3) for name in names]
    told = during([], later, {"bls": True}, (), {"idle": False, "busy": True, "gone": False})
    assert [
        ("bls", "measured", True, 3),
        ("idle", "called", False, 0),
        ("busy", "called", True, 3),
        ("other", "beside", None, 3),
    ] == [(name, model["part"], model["decoupled"], model["inference_count"]) for name, model in told.items()]


def test_versions_and_servers_add_up():
    before = [row("m", 1), row("m", 2, version="2"), row("m", 4)]
    after = [row("m", 11), row("m", 22, version="2"), row("m", 44)]
    assert 10 + 20 + 40 == during(before, after, {"m": False}, ())["m"]["inference_count"]


def test_numbers_may_be_text_and_zeros_may_be_missing():
    """As they are in the JSON of gRPC's messages."""
    after = [
        {
            "name": "m",
            "inference_count": "5",
            "inference_stats": {"queue": {"count": "5", "ns": "70"}, "fail": {}},
        }
    ]
    model = during([{"name": "m"}], after, {"m": False}, ())["m"]
    assert (5, 0, {"count": 5, "ns": 70}) == (
        model["inference_count"],
        model["execution_count"],
        model["queue"],
    )


def test_a_server_that_was_started_anew_counts_from_zero():
    assert 3 == during([row("m", 100)], [row("m", 3)], {"m": False}, ())["m"]["inference_count"]


def test_a_server_that_tells_nothing_is_not_told_of():
    assert {} == during([], [], {"m": False}, ("step",))


def test_requests_are_those_that_ended_well_or_not_of_these_models():
    failed = row("m", 3)
    failed["inference_stats"]["fail"] = {"count": "2", "ns": "5"}
    assert 3 + 2 + 4 == requests([failed, row("other", 7), row("n", 4)], {"m": None, "n": None, "gone": None})
