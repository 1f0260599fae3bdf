import httpx
import pytest
from server_wire import AT_ONCE, chat, words

from genai_perf.config.schema import TokenizerConfig
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings
from genai_perf.workload import tokenizer

BUILTIN = tokenizer.load(TokenizerConfig(name="builtin"), "")


@pytest.fixture(scope="module")
def client(server: EmbeddedServer):
    with httpx.Client(base_url=server.url, timeout=20) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/", "/health", "/v1/health/live", "/v1/health/ready"])
def test_health_is_ok(client: httpx.Client, path: str) -> None:
    assert {"status": "ok"} == client.get(path).raise_for_status().json()


@pytest.mark.parametrize("tokens", [1, 2, 128, 700])
def test_a_streamed_answer_has_exactly_the_tokens_that_were_asked_for(
    client: httpx.Client, tokens: int
) -> None:
    response = client.post("/v1/chat/completions", json=chat(max_completion_tokens=tokens, stream=True))
    said = words(response.content)
    assert tokens == len(said)
    assert [tokens] == BUILTIN.count(["".join(said)])


def test_a_whole_answer_has_them_too(client: httpx.Client) -> None:
    answer = client.post("/v1/chat/completions", json=chat(max_tokens=33)).raise_for_status().json()
    assert [33] == BUILTIN.count([answer["choices"][0]["message"]["content"]])
    assert "length" == answer["choices"][0]["finish_reason"]


def test_without_a_limit_the_server_decides_and_stops(client: httpx.Client) -> None:
    answer = client.post("/v1/chat/completions", json=chat()).raise_for_status().json()
    assert 128 == answer["usage"]["completion_tokens"]
    assert "stop" == answer["choices"][0]["finish_reason"]


def test_input_tokens_are_counted_with_the_builtin_tokenizer(client: httpx.Client) -> None:
    prompt = "Shall I compare thee to a summer's day? " * 20
    for _ in range(2):  # the second time from memory
        answer = client.post("/v1/completions", json={"model": "m", "prompt": prompt, "max_tokens": 1}).json()
        assert BUILTIN.count([prompt]) == [answer["usage"]["prompt_tokens"]]


def test_several_prompts_get_an_answer_each(client: httpx.Client) -> None:
    body = {"model": "m", "prompt": ["one", "two", "three"], "max_tokens": 4}
    answer = client.post("/v1/completions", json=body).raise_for_status().json()
    assert [0, 1, 2] == [choice["index"] for choice in answer["choices"]]
    assert 12 == answer["usage"]["completion_tokens"]


def test_embeddings_are_the_same_for_the_same_text(client: httpx.Client) -> None:
    body = {"model": "m", "input": ["one", "two", "one"]}
    answer = client.post("/v1/embeddings", json=body).raise_for_status().json()
    first, second, third = (each["embedding"] for each in answer["data"])
    assert first == third != second
    assert 384 == len(first)
    assert sum(BUILTIN.count(body["input"])) == answer["usage"]["prompt_tokens"]
    assert answer == client.post("/v1/embeddings", json=body).json()


def test_any_model_will_do_unless_told_otherwise(client: httpx.Client) -> None:
    assert ["embedded"] == [each["id"] for each in client.get("/v1/models").json()["data"]]
    assert "gpt2" == client.get("/v1/models/gpt2").json()["id"]


def test_the_clients_request_id_comes_back(client: httpx.Client) -> None:
    response = client.post(
        "/v1/chat/completions", json=chat(max_tokens=1), headers={"x-request-id": "mine-1"}
    )
    assert "mine-1" == response.headers["x-request-id"]


def test_named_models_keys_lengths_and_reasoning() -> None:
    settings = ServerSettings(
        **AT_ONCE,
        models=("gpt2", "org/llama"),
        api_key="secret",
        context_length=20,
        output_tokens=7,
        reasoning_tokens=3,
    )
    with EmbeddedServer(settings) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        path = "/v1/chat/completions"
        missing = client.post(path, json=chat())
        assert 401 == missing.status_code
        assert "Bearer" == missing.headers["www-authenticate"]
        assert "You didn't provide an API key" in missing.json()["error"]["message"]
        wrong = client.get("/v1/models", headers={"authorization": "Bearer other"})
        assert "invalid_api_key" == wrong.json()["error"]["code"]
        assert 200 == client.get("/health").status_code

        client.headers["authorization"] = "Bearer secret"
        assert ["gpt2", "org/llama"] == [each["id"] for each in client.get("/v1/models").json()["data"]]
        assert 200 == client.get("/v1/models/org/llama").status_code
        for unknown in (client.post(path, json=chat()), client.get("/v1/models/m")):
            assert 404 == unknown.status_code
            error = unknown.json()["error"]
            assert "model_not_found" == error["code"]
            assert "The model `m` does not exist. Known models: gpt2, org/llama" == error["message"]

        long = client.post(path, json=chat(max_tokens=19) | {"model": "gpt2"})
        assert 400 == long.status_code
        assert "maximum context length is 20 tokens" in long.json()["error"]["message"]

        answer = client.post(path, json=chat() | {"model": "gpt2"}).raise_for_status().json()
        assert 10 == answer["usage"]["completion_tokens"]
        assert 3 == answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
        assert [3] == BUILTIN.count([answer["choices"][0]["message"]["reasoning_content"]])
        assert [7] == BUILTIN.count([answer["choices"][0]["message"]["content"]])
