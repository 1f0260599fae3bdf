"""What each known server's page comes to: pages as the servers write them, before and after a run."""

import math

import pytest
from sampled_run import S, sampled

from genai_perf.telemetry.dialects import DIALECTS, QUANTITIES
from genai_perf.telemetry.server_metrics import Ours, read
from genai_perf.telemetry.windowed import Level, Window

WINDOW = Window(2 * S, 8 * S)
MS = 1_000_000

VLLM = """\
# HELP python_info Python platform information
# TYPE python_info gauge
python_info{{implementation="CPython",major="3",minor="12",patchlevel="11",version="3.12.11"}} 1.0
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {running}
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {waiting}
# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {usage}
# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {prompt}
# HELP vllm:prompt_tokens_created Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_created gauge
vllm:prompt_tokens_created{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} 1.7634817441157422e+09
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {generated}
# HELP vllm:request_success_total Count of successfully processed requests.
# TYPE vllm:request_success_total counter
vllm:request_success_total{{engine="0",finished_reason="stop",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {stop}
vllm:request_success_total{{engine="0",finished_reason="length",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {length}
vllm:request_success_total{{engine="0",finished_reason="abort",model_name="meta-llama/Llama-3.1-8B-Instruct"}} 0.0
# HELP vllm:time_to_first_token_seconds Histogram of time to first token in seconds.
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{{engine="0",le="0.02",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {fast}
vllm:time_to_first_token_seconds_bucket{{engine="0",le="0.04",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {count}
vllm:time_to_first_token_seconds_bucket{{engine="0",le="+Inf",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {count}
vllm:time_to_first_token_seconds_count{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {count}
vllm:time_to_first_token_seconds_sum{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {ttft}
# HELP vllm:inter_token_latency_seconds Histogram of inter-token latency in seconds.
# TYPE vllm:inter_token_latency_seconds histogram
vllm:inter_token_latency_seconds_bucket{{engine="0",le="0.01",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {generated}
vllm:inter_token_latency_seconds_bucket{{engine="0",le="+Inf",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {generated}
vllm:inter_token_latency_seconds_count{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {generated}
vllm:inter_token_latency_seconds_sum{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {itl}
# HELP vllm:e2e_request_latency_seconds Histogram of e2e request latency in seconds.
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{{engine="0",le="0.3",model_name="meta-llama/Llama-3.1-8B-Instruct"}} 0.0
vllm:e2e_request_latency_seconds_bucket{{engine="0",le="+Inf",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {count}
vllm:e2e_request_latency_seconds_count{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {count}
vllm:e2e_request_latency_seconds_sum{{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}} {count}
"""  # noqa: E501  as it is
VLLM_BEFORE = VLLM.format(
    running=0,
    waiting=0,
    usage=0,
    prompt=50,
    generated=80,
    stop=1,
    length=4,
    fast=5,
    count=5,
    ttft=0.05,
    itl=0.4,
)
VLLM_AT_WORK = VLLM.format(
    running=8,
    waiting=2,
    usage=0.25,
    prompt=90,
    generated=90,
    stop=1,
    length=4,
    fast=5,
    count=5,
    ttft=0.05,
    itl=0.5,
)
VLLM_AFTER = VLLM.format(
    running=0,
    waiting=0,
    usage=0,
    prompt=150,
    generated=280,
    stop=2,
    length=13,
    fast=9,
    count=15,
    ttft=0.3,
    itl=1.4,
)

SGLANG = """\
# HELP sglang:prompt_tokens_total Number of prefill tokens processed.
# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{{model_name="m"}} {prompt}
# HELP sglang:generation_tokens_total Number of generation tokens processed.
# TYPE sglang:generation_tokens_total counter
sglang:generation_tokens_total{{model_name="m"}} {generated}
# HELP sglang:num_requests_total Number of requests processed.
# TYPE sglang:num_requests_total counter
sglang:num_requests_total{{model_name="m"}} {count}
# HELP sglang:token_usage The token usage
# TYPE sglang:token_usage gauge
sglang:token_usage{{model_name="m"}} 0.28
# HELP sglang:num_running_reqs The number of running requests
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{{model_name="m"}} 8.0
# HELP sglang:num_queue_reqs The number of requests in the waiting queue
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{{model_name="m"}} 2.0
# HELP sglang:queue_time_seconds Histogram of queueing time in seconds.
# TYPE sglang:queue_time_seconds histogram
sglang:queue_time_seconds_sum{{model_name="m"}} {queue}
sglang:queue_time_seconds_bucket{{le="0.0",model_name="m"}} 0.0
sglang:queue_time_seconds_bucket{{le="0.1",model_name="m"}} {count}
sglang:queue_time_seconds_bucket{{le="+Inf",model_name="m"}} {count}
sglang:queue_time_seconds_count{{model_name="m"}} {count}
# HELP sglang:time_per_output_token_seconds Histogram of time per output token in seconds.
# TYPE sglang:time_per_output_token_seconds histogram
sglang:time_per_output_token_seconds_sum{{model_name="m"}} {itl}
sglang:time_per_output_token_seconds_bucket{{le="0.005",model_name="m"}} {generated}
sglang:time_per_output_token_seconds_bucket{{le="+Inf",model_name="m"}} {generated}
sglang:time_per_output_token_seconds_count{{model_name="m"}} {generated}
"""

TGI = """\
# TYPE tgi_request_success counter
tgi_request_success{{method="generate"}} {count}

# TYPE tgi_queue_size gauge
tgi_queue_size 2

# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 8

# TYPE tgi_request_generated_tokens histogram
tgi_request_generated_tokens_bucket{{le="1"}} 0
tgi_request_generated_tokens_bucket{{le="+Inf"}} {count}
tgi_request_generated_tokens_sum {generated}
tgi_request_generated_tokens_count {count}

# TYPE tgi_request_input_length histogram
tgi_request_input_length_bucket{{le="+Inf"}} {count}
tgi_request_input_length_sum {prompt}
tgi_request_input_length_count {count}

# TYPE tgi_request_queue_duration histogram
tgi_request_queue_duration_bucket{{le="0.00001"}} 0
tgi_request_queue_duration_bucket{{le="+Inf"}} {count}
tgi_request_queue_duration_sum {queue}
tgi_request_queue_duration_count {count}

# TYPE tgi_request_mean_time_per_token_duration histogram
tgi_request_mean_time_per_token_duration_bucket{{le="+Inf"}} {count}
tgi_request_mean_time_per_token_duration_sum {itl}
tgi_request_mean_time_per_token_duration_count {count}

"""

TRITON = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{{model="ensemble",version="1"}} {count}
nv_inference_request_success{{model="tensorrt_llm",version="1"}} {count}
# HELP nv_inference_request_failure Number of failed inference requests, all batch sizes
# TYPE nv_inference_request_failure counter
nv_inference_request_failure{{model="ensemble",reason="BACKEND",version="1"}} 0
# HELP nv_inference_request_duration_us Cumulative inference request duration in microseconds (includes cached requests)
# TYPE nv_inference_request_duration_us counter
nv_inference_request_duration_us{{model="ensemble",version="1"}} {latency}
nv_inference_request_duration_us{{model="tensorrt_llm",version="1"}} 7
# HELP nv_inference_queue_duration_us Cumulative inference queuing duration in microseconds (includes cached requests)
# TYPE nv_inference_queue_duration_us counter
nv_inference_queue_duration_us{{model="ensemble",version="1"}} {queue}
nv_inference_queue_duration_us{{model="tensorrt_llm",version="1"}} 99
# HELP nv_inference_pending_request_count Instantaneous number of pending requests awaiting execution per-model.
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{{model="ensemble",version="1"}} 2
nv_inference_pending_request_count{{model="tensorrt_llm",version="1"}} 3
# HELP nv_gpu_utilization GPU utilization rate [0.0 - 1.0)
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{{gpu_uuid="GPU-5cf1bd6d"}} 0.9
"""  # noqa: E501  as it is

LLAMA_CPP = """\
# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed, excluding cached tokens
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total {prompt}
# HELP llamacpp:tokens_predicted_total Number of generation tokens processed
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total {generated}
# HELP llamacpp:tokens_predicted_seconds_total Total time spent generating tokens
# TYPE llamacpp:tokens_predicted_seconds_total counter
llamacpp:tokens_predicted_seconds_total {itl}
# HELP llamacpp:requests_processing Number of requests processing
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 8
# HELP llamacpp:requests_deferred Number of requests deferred
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 2
"""

DYNAMO = """\
# HELP dynamo_frontend_inflight_requests Number of inflight requests
# TYPE dynamo_frontend_inflight_requests gauge
dynamo_frontend_inflight_requests{{model="qwen/qwen3-0.6b"}} 8
# HELP dynamo_frontend_queued_requests Number of requests waiting in HTTP queue
# TYPE dynamo_frontend_queued_requests gauge
dynamo_frontend_queued_requests{{model="qwen/qwen3-0.6b"}} 2
# HELP dynamo_frontend_requests_total Total number of LLM requests processed
# TYPE dynamo_frontend_requests_total counter
dynamo_frontend_requests_total{{endpoint="chat_completions",model="qwen/qwen3-0.6b",request_type="stream",status="success"}} {count}
dynamo_frontend_requests_total{{endpoint="chat_completions",model="qwen/qwen3-0.6b",request_type="stream",status="error"}} 3
# HELP dynamo_frontend_input_sequence_tokens Input sequence length in tokens
# TYPE dynamo_frontend_input_sequence_tokens histogram
dynamo_frontend_input_sequence_tokens_bucket{{model="qwen/qwen3-0.6b",le="100"}} {count}
dynamo_frontend_input_sequence_tokens_bucket{{model="qwen/qwen3-0.6b",le="+Inf"}} {count}
dynamo_frontend_input_sequence_tokens_sum{{model="qwen/qwen3-0.6b"}} {prompt}
dynamo_frontend_input_sequence_tokens_count{{model="qwen/qwen3-0.6b"}} {count}
# HELP dynamo_frontend_output_tokens_total Total number of output tokens generated
# TYPE dynamo_frontend_output_tokens_total counter
dynamo_frontend_output_tokens_total{{model="qwen/qwen3-0.6b"}} {generated}
# HELP dynamo_frontend_inter_token_latency_seconds Inter-token latency in seconds
# TYPE dynamo_frontend_inter_token_latency_seconds histogram
dynamo_frontend_inter_token_latency_seconds_bucket{{model="qwen/qwen3-0.6b",le="0.0056"}} {generated}
dynamo_frontend_inter_token_latency_seconds_bucket{{model="qwen/qwen3-0.6b",le="+Inf"}} {generated}
dynamo_frontend_inter_token_latency_seconds_sum{{model="qwen/qwen3-0.6b"}} {itl}
dynamo_frontend_inter_token_latency_seconds_count{{model="qwen/qwen3-0.6b"}} {generated}
# HELP vllm:num_requests_running of the engine behind it
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running 77
"""  # noqa: E501  as it is

BEFORE = {"prompt": 50, "generated": 80, "count": 5, "queue": 0.5, "itl": 0.4, "latency": 0}
AFTER = {"prompt": 150, "generated": 280, "count": 15, "queue": 1.5, "itl": 1.4, "latency": 9_000}
OURS = Ours(
    requests=10,
    tokens={
        "prompt_tokens": (100.0, "usage"),
        "uncached_prompt_tokens": (100.0, "usage"),
        "output_tokens": (203.0, "usage"),
    },
    latencies={
        tag: {"avg": 26 * MS, "p50": 30 * MS, "p90": 41 * MS, "p99": 41 * MS}
        for tag in ("time_to_first_token", "inter_chunk_latency", "inter_token_latency", "request_latency")
    },
)


def said(tmp_path, before, after, during=None, source="server:host:8000", ours=OURS, models=("m",)):
    pages = [(1.0, source, before), (4.0, source, during or after), (9.0, source, after)]
    return read(sampled(tmp_path, pages), WINDOW, ours, models)


def figures(found):
    return {(row.quantity.tag, row.statistic): row.server for row in found.rows}


PAGES = {
    "SGLang": (SGLANG, "m", {
        ("inter_token_latency", "avg"): 5 * MS,
        ("queue_time", "avg"): 100 * MS,
        ("requests_running", "avg"): 8,
        ("requests_waiting", "max"): 2,
        ("kv_cache_usage", "avg"): 0.28,
        ("requests_succeeded", "total"): 10,
        ("prompt_tokens", "total"): 100,
        ("generation_tokens", "total"): 200,
    }),
    "TGI": (TGI, "m", {
        ("time_per_output_token", "avg"): 100 * MS,
        ("queue_time", "avg"): 100 * MS,
        ("requests_running", "avg"): 8,
        ("requests_waiting", "avg"): 2,
        ("requests_succeeded", "total"): 10,
        ("prompt_tokens", "total"): 100,
        ("generation_tokens", "total"): 200,
    }),
    "Triton": (TRITON, "ensemble", {
        ("request_latency", "avg"): 900_000,
        ("queue_time", "avg"): 100,
        ("requests_waiting", "avg"): 2,
        ("requests_succeeded", "total"): 10,
    }),
    "llama.cpp": (LLAMA_CPP, "m", {
        ("inter_token_latency", "avg"): 5 * MS,
        ("requests_running", "avg"): 8,
        ("requests_waiting", "avg"): 2,
        ("prompt_tokens", "total"): 100,
        ("generation_tokens", "total"): 200,
    }),
    "Dynamo": (DYNAMO, "Qwen/Qwen3-0.6B", {
        ("inter_token_latency", "avg"): 5 * MS,
        ("requests_running", "avg"): 8,
        ("requests_waiting", "avg"): 2,
        ("requests_succeeded", "total"): 10,
        ("prompt_tokens", "total"): 100,
        ("generation_tokens", "total"): 200,
    }),
}  # fmt: skip


@pytest.mark.parametrize("server", PAGES)
def test_a_servers_page_says_this(server, tmp_path):
    page, model, expected = PAGES[server]
    found = said(tmp_path, page.format(**BEFORE), page.format(**AFTER), models=(model,))
    assert [server] == [one.server for one in found.pages]
    assert () == found.notes
    seen = figures(found)
    for what, figure in expected.items():
        assert figure == pytest.approx(seen[what]), what


@pytest.fixture
def vllm(tmp_path):
    return said(tmp_path, VLLM_BEFORE, VLLM_AFTER, VLLM_AT_WORK)


def test_vllm_is_compared_with_what_we_saw(vllm):
    rows = {(row.quantity.tag, row.statistic): row for row in vllm.rows}
    ttft = rows["time_to_first_token", "avg"]
    assert (25 * MS, 26 * MS, 1 * MS) == tuple(
        round(one) for one in (ttft.server, ttft.ours, ttft.difference)
    )
    within = rows["time_to_first_token", "p50"]
    assert (20 * MS, 40 * MS, 0) == (round(within.low), round(within.high), within.difference)
    assert 1 * MS == round(rows["time_to_first_token", "p99"].difference)
    assert math.inf == rows["request_latency", "p50"].high
    assert (8, None) == (rows["requests_running", "max"].server, rows["requests_running", "max"].ours)
    assert 0 == rows["prompt_tokens", "total"].difference
    assert 3 == rows["generation_tokens", "total"].difference
    assert (10, 10, 0) == (
        rows["requests_succeeded", "total"].server,
        rows["requests_succeeded", "total"].ours,
        rows["requests_succeeded", "total"].difference,
    )
    assert "vLLM at host:8000" == vllm.servers


def test_every_series_is_summed_up_by_its_type(vllm):
    (page,) = vllm.pages
    labels = '{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"}'
    assert 100 == page.counters[f"vllm:prompt_tokens_total{labels}"].amount
    assert Level(8, 8, 8, 8) == page.levels[f"vllm:num_requests_running{labels}"]
    assert 10 == page.distributions[f"vllm:time_to_first_token_seconds{labels}"].count
    assert not [name for name in page.levels if "_created" in name]


def test_a_model_that_is_called_otherwise_there_is_not_looked_for(tmp_path):
    found = said(tmp_path, VLLM_BEFORE, VLLM_AFTER, models=("my-adapter",))
    assert 100 == figures(found)["prompt_tokens", "total"]


def test_several_servers_are_added_up(tmp_path):
    pages = [
        (at_s, f"server:{host}:8000", page)
        for host in ("a", "b")
        for at_s, page in ((1.0, VLLM_BEFORE), (4.0, VLLM_AT_WORK), (9.0, VLLM_AFTER))
    ]
    seen = figures(read(sampled(tmp_path, pages), WINDOW, OURS, ("m",)))
    assert (200, 16, 0.25) == (
        seen["prompt_tokens", "total"],
        seen["requests_running", "max"],
        seen["kv_cache_usage", "max"],
    )
    assert 25 * MS == pytest.approx(seen["time_to_first_token", "avg"])


def around(source, before, after):
    return [(1.0, source, before), (4.0, source, after), (9.0, source, after)]


def test_what_workers_behind_a_frontend_have_counted_too_is_not_added_to_it(tmp_path):
    pages = around("server:front:8000", DYNAMO.format(**BEFORE), DYNAMO.format(**AFTER))
    for worker in ("a", "b"):
        pages += [
            (1.0, f"server:{worker}:8081", VLLM_BEFORE),
            (4.0, f"server:{worker}:8081", VLLM_AT_WORK),
            (9.0, f"server:{worker}:8081", VLLM_AFTER),
        ]
    models = ("m", "Qwen/Qwen3-0.6B")
    telemetry = sampled(tmp_path, pages)
    seen = figures(read(telemetry, WINDOW, OURS, models, {"front:8000"}))
    assert (10, 100, 8) == (
        seen["requests_succeeded", "total"],
        seen["prompt_tokens", "total"],
        seen["requests_running", "max"],
    )
    assert 0.25 == seen["kv_cache_usage", "max"]  # what the frontend does not say
    # a gateway without a page: then the workers are all there is
    beside = figures(read(telemetry, WINDOW, OURS, models, {"front:8000", "gateway:80"}))
    assert 30 == beside["requests_succeeded", "total"]


def test_a_server_that_was_gone_at_the_end_has_said_nothing_of_the_run(tmp_path):
    pages = [
        (1.0, "server:a:1", VLLM_BEFORE),
        (4.0, "server:a:1", VLLM_AT_WORK),
        (9.0, "server:a:1", None),
    ]
    found = read(sampled(tmp_path, pages), WINDOW, OURS, ("m",))
    assert {"requests_running", "requests_waiting", "kv_cache_usage"} == {tag for tag, _ in figures(found)}
    first, second = found.notes
    assert (
        "The metrics page at a:1 did not answer 1 of 3 times that it was asked: connection refused." == first
    )
    assert "did not answer right before the first request and after the last one" in second


def test_a_server_that_was_restarted_says_the_least_that_can_have_happened(tmp_path):
    anew = VLLM.format(
        running=0,
        waiting=0,
        usage=0,
        prompt=10,
        generated=5,
        stop=0,
        length=1,
        fast=1,
        count=1,
        ttft=0,
        itl=0,
    )
    found = said(tmp_path, VLLM_BEFORE, anew, VLLM_BEFORE)
    rows = {(row.quantity.tag, row.statistic): row for row in found.rows}
    assert (10, 10, math.inf, 0) == (
        rows["prompt_tokens", "total"].server,
        rows["prompt_tokens", "total"].low,
        rows["prompt_tokens", "total"].high,
        rows["prompt_tokens", "total"].difference,
    )
    (note,) = found.notes
    assert "The counters of host:8000 began anew 1 times during the run: its server was restarted" in note


def test_a_page_that_was_named_and_never_answered_is_one_line(tmp_path):
    pages = [(at_s, "server:a:1", None) for at_s in (1.0, 4.0, 9.0)]
    found = read(sampled(tmp_path, pages), WINDOW, OURS)
    assert (
        "The metrics page at a:1 was asked 3 times and never answered: connection refused.",
    ) == found.notes
    assert () == found.rows


def test_a_page_of_gpus_alone_is_no_servers(tmp_path):
    page = 'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-1"} 89.4\n'
    assert (
        read(sampled(tmp_path, [(1.0, "server:a:9400", page), (9.0, "server:a:9400", page)]), WINDOW, OURS)
        is None
    )


def test_a_server_that_is_not_known_is_kept_and_not_compared(tmp_path):
    found = said(tmp_path, "# TYPE mine counter\nmine 1\n", "# TYPE mine counter\nmine 4\n")
    (page,) = found.pages
    assert ("", 3.0) == (page.server, page.counters["mine"].amount)
    assert () == found.rows
    assert "server at host:8000" == found.servers


def test_where_nothing_but_other_sources_was_sampled_there_is_nothing(tmp_path):
    assert read(sampled(tmp_path, [(1.0, "nvml", "a 1\n")]), WINDOW, OURS) is None


def test_every_dialect_speaks_of_known_quantities():
    for dialect in DIALECTS:
        assert set(dialect.said) <= set(QUANTITIES), dialect.server
