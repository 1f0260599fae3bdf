"""Answers of the servers that rank passages: NVIDIA's, TEI's, and those that speak Jina's and Cohere's."""

import pytest
from exchanges import cut, exchange, whole

from genai_perf import endpoints
from genai_perf.types import RequestError, Usage

ENDPOINTS = [endpoints.get("rankings"), endpoints.get("rerank")]

ANSWERS = {
    "NVIDIA": (b'{"rankings":[{"index":1,"logit":2.5},{"index":0,"logit":-7.1}],"usage":{"prompt_tokens":9,"total_tokens":9}}', Usage(9)),  # noqa: E501
    "TEI": (b'[{"index":1,"score":0.99},{"index":0,"score":0.01}]', None),
    "Jina, vLLM": (b'{"id":"rerank-1","model":"m","usage":{"total_tokens":56},"results":[{"index":0,"document":{"text":"a"},"relevance_score":1.0}]}', Usage(56)),  # noqa: E501
    "Cohere": (b'{"id":"1","results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}', None),  # noqa: E501
    "llama.cpp": (b'{"model":"x","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.2489118129014969}]}', Usage(5)),  # noqa: E501
    "with a score that is no number": (b'{"results":[{"index":0,"relevance_score":NaN}]}', None),
    "with counts in an odd shape": (b'{"rankings":[{"index":0}],"usage":"none"}', None),
}  # fmt: skip


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("server", ANSWERS)
def test_scores_are_an_answer_without_text_that_ends_with_its_last_read(endpoint, server):
    body, usage = ANSWERS[server]
    answer = endpoints.decode_whole(
        endpoint, exchange(*cut(body, [5, 20]), content_type="application/json", streaming=False)
    )
    assert ([""], [2], usage, None) == (answer.content, answer.content_reads, answer.usage, answer.error)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize(
    ("given", "error"),
    [
        (whole(b'{"results":[]}'), RequestError("decode", "the answer holds no scores")),
        (whole(b"[]"), RequestError("decode", "the answer holds no scores")),
        (whole(b'{"data":[{"embedding":[1]}]}'), RequestError("decode", "the answer holds no scores")),
        (whole(b'{"error":{"message":"overloaded"}}'), RequestError("server", "overloaded")),
        (
            whole(b'{"error":"batch size 33 > maximum 32","error_type":"Validation"}', status=413),
            RequestError("http_413", "batch size 33 > maximum 32"),
        ),
        (
            whole(b"<html>", content_type="text/html"),
            RequestError(
                "decode",
                "the answer (text/html) is not what this API sends (Expecting value: "
                "line 1 column 1 (char 0)): '<html>'",
            ),
        ),
        (whole(b"", error=RequestError("reset", "…")), RequestError("reset", "…")),
    ],
)
def test_an_answer_without_scores_is_an_error(endpoint, given, error):
    assert error == endpoints.decode_whole(endpoint, given).error
