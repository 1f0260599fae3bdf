"""GenAI-Perf's parser, written anew from its rules: what it makes of a `profile_export.json`.

Independent of the package on purpose: it reads the file as a stranger would.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def parse(file: Path, count: Callable[[str], int]) -> dict[str, Any]:
    """Its lists of values (ns, tokens) and its system metrics, by GenAI-Perf's names."""
    export = json.loads(file.read_text(encoding="utf-8"))
    (experiment,) = export["experiments"]
    requests = experiment["requests"]
    read_text = _text_of(export, requests)
    parsed: dict[str, Any] = {
        name: [] for name in ("latency", "ttft", "ttst", "itl", "osl", "isl", "start", "end")
    }
    for request in requests:
        stamps, texts = _kept(request, read_text)
        if not stamps:
            continue
        latency, first = stamps[-1] - request["timestamp"], stamps[0] - request["timestamp"]
        tokens = count("".join(texts))
        parsed["start"].append(request["timestamp"])
        parsed["end"].append(stamps[-1])
        parsed["latency"].append(latency)
        parsed["ttft"].append(first)
        parsed["osl"].append(tokens)
        parsed["isl"].append(count(_prompt(json.loads(request["request_inputs"]["payload"]))))
        if len(stamps) > 1:
            parsed["ttst"].append(stamps[1] - stamps[0])
        if len(stamps) > 1 and tokens > 1:
            parsed["itl"].append(round((latency - first) / (tokens - 1)))
    seconds = (max(parsed["end"]) - min(parsed["start"])) / 1e9
    return parsed | {
        "level": (experiment["experiment"]["mode"], str(experiment["experiment"]["value"])),
        "request_throughput": len(requests) / seconds,
        "output_token_throughput": sum(parsed["osl"]) / seconds,
    }


def _text_of(export: dict[str, Any], requests: list[dict[str, Any]]) -> Callable[[str], str] | None:
    """How a response's text is read; None where the API has none. By the path, else by the first response."""
    assert export["service_kind"] == "openai"
    known = {
        "v1/chat/completions": _chat,
        "v1/completions": _completion,
        "v1/embeddings": None,
    }
    if export["endpoint"] in known:
        return known[export["endpoint"]]
    first = requests[0]["response_outputs"][0]["response"]
    for word, reader in (("chat.completion", _chat), ("text_completion", _completion), ("embedding", None)):
        if word in first:
            return reader
    raise AssertionError("Unknown OpenAI response format.")


def _kept(request: dict[str, Any], read_text: Callable[[str], str] | None) -> tuple[list[int], list[str]]:
    """The stamps and texts of the responses that bring any."""
    stamps, outputs = request["response_timestamps"], request["response_outputs"]
    assert len(stamps) == len(outputs)
    if read_text is None:
        return [stamps[-1]], [""]  # would fail on a request without a response
    responses = [output["response"] for output in outputs]
    for later in responses[1:]:
        assert later.startswith("data: "), "a splintered response"
    texts = []
    for response in responses:
        events = response.strip().split("\n\n")
        assert len(events) == 1
        texts.append("" if "[DONE]" in events[0] and "{" not in events[0] else read_text(events[0]))
    kept = [place for place, text in enumerate(texts) if text]
    return [stamps[place] for place in kept], [texts[place] for place in kept]


def _choice(event: str) -> tuple[str | None, dict[str, Any]]:
    body = json.loads(event.removeprefix("data: "))
    return body.get("object"), body["choices"][0]


def _chat(event: str) -> str:
    kind, choice = _choice(event)
    assert kind in {"chat.completion", "chat.completion.chunk"}
    return choice["message" if kind == "chat.completion" else "delta"].get("content") or ""


def _completion(event: str) -> str:
    kind, choice = _choice(event)
    assert kind == "text_completion"
    return choice["text"] or ""


def _prompt(payload: dict[str, Any]) -> str:
    if "messages" in payload:
        return " ".join(message["content"] for message in payload["messages"])
    prompt = payload.get("prompt") or payload.get("input") or ""
    return " ".join(prompt) if isinstance(prompt, list) else prompt
