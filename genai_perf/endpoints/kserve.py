"""Language models behind KServe's gRPC protocol: Triton with TensorRT-LLM or vLLM.

A request is one `ModelInferRequest` on a `ModelStreamInfer` stream of its own; every response on it that
brings text is a token event. The body is GenAI-Perf's for `inputs.json`, tensor name to list of values;
`encode` makes the message of it, by what the model says of itself.

The empty response that closes a decoupled answer is asked for, as Perf Analyzer does, and is no token.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.endpoints.reading import snippet
from genai_perf.endpoints.tensors import Interface, check_names, shape_and_bytes, values_of
from genai_perf.exceptions import UsageError
from genai_perf.types import Answer, Exchange, RequestError, Turn, Usage

TEXT_INPUT, TEXT_OUTPUT = "text_input", "text_output"

DEFAULT_MAX_TOKENS = 256
"""GenAI-Perf's limit for TensorRT-LLM, which must have one."""

RESPONSES_PER_STEP = 64
"""About 0.1 ms of work."""

_OURS = ("exclude_input_in_output", "stream")
"""What GenAI-Perf adds unasked; left out where the model knows no such input."""

_COUNTS = {"return_num_input_tokens": [True], "return_num_output_tokens": [True]}
"""How Triton's vLLM backend is asked to count."""


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    """The tensors that both backends take."""
    body: dict[str, Any] = {
        "model": model,
        TEXT_INPUT: list(turn.texts),
        "exclude_input_in_output": [True],
    }
    if streaming:
        body["stream"] = [True]
    return body


def build_tensorrtllm(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    """With a token limit, which TensorRT-LLM's models need."""
    return {**build(turn, model, streaming), "max_tokens": [DEFAULT_MAX_TOKENS]}


def limit_tensorrtllm(tokens: int, exactly: bool) -> dict[str, Any]:
    """Tensors of their own."""
    return {"max_tokens": [tokens], "min_length": [tokens]} if exactly else {"max_tokens": [tokens]}


def limit_vllm(tokens: int, exactly: bool) -> dict[str, Any]:
    """As vLLM takes it: sampling parameters are one JSON text; GenAI-Perf writes its numbers as strings."""
    asked = {"max_tokens": str(tokens)} | ({"min_tokens": str(tokens)} if exactly else {})
    return {"sampling_parameters": [json.dumps(asked)]}


def extend(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`--extra-inputs` as tensors, a single value as a list of one."""
    return {**body, **{name: _listed(value) for name, value in extra.items()}}


def extend_vllm(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Likewise, but sampling parameters are added to those that ask for so many tokens."""
    extended = extend(body, extra)
    if "sampling_parameters" in body and "sampling_parameters" in extra:
        asked, given = json.loads(body["sampling_parameters"][0]), extra["sampling_parameters"]
        try:
            given = json.loads(given) if isinstance(given, str) else given
            extended["sampling_parameters"] = [json.dumps({**asked, **given})]
        except (ValueError, TypeError) as exc:
            raise UsageError(
                f"--extra-inputs: sampling_parameters: {given!r} is no JSON object",
                hint='--extra-inputs \'{"sampling_parameters": {"temperature": 0}}\'',
            ) from exc
    elif isinstance(extra.get("sampling_parameters"), Mapping):
        extended["sampling_parameters"] = [json.dumps(extra["sampling_parameters"])]
    return extended


def _listed(value: Any) -> Any:
    is_whole = isinstance(value, list) or (isinstance(value, Mapping) and "content" in value)
    return value if is_whole else [value]


def prompt_text(body: Mapping[str, Any]) -> str:
    """The prompt."""
    return " ".join(values_of(body[TEXT_INPUT]))


# -- to the wire -------------------------------------------------------------------------------------------


def fit(body: dict[str, Any], interface: Interface) -> dict[str, Any]:
    """The body without what we add unasked and this model does not take. UsageError for all else amiss."""
    fitted = {name: value for name, value in body.items() if name not in _OURS or name in interface.inputs}
    tensors = {name: value for name, value in fitted.items() if name != "model"}
    check_names(interface, tensors, output=TEXT_OUTPUT, hint=_reason(interface, tensors))
    return fitted


def _reason(interface: Interface, given: Mapping[str, Any]) -> str | None:
    """Why a tensor that the model does not take is there, where it is not `--extra-inputs` that gives it."""
    if "min_length" in given and "min_length" not in interface.inputs and "max_tokens" in interface.inputs:
        return f"--output-tokens-mean-deterministic asks for it; {interface.wants()}"
    for ours, theirs, backend in (
        ("max_tokens", "sampling_parameters", "vllm"),
        ("sampling_parameters", "max_tokens", "tensorrtllm"),
    ):
        if ours in given and ours not in interface.inputs and theirs in interface.inputs:
            return f"it looks like a model for --backend {backend}; {interface.wants()}"
    return None


def encode(
    body: Mapping[str, Any],
    interface: Interface,
    parameters: Mapping[str, bool | int | str] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    request_id: str = "",
) -> bytes:
    """The `ModelInferRequest` of a body that fits. UsageError for a value that the model does not take."""
    from genai_perf.endpoints.kserve_messages import message

    sent = message("ModelInferRequest")(model_name=interface.model, id=request_id)
    if interface.version:
        sent.model_version = interface.version
    for name, value in {"triton_enable_empty_final_response": True, **(parameters or {})}.items():
        _set_parameter(sent.parameters.add(key=name).value, value)
    for name, given in body.items():
        if name == "model":
            continue
        shape, raw = shape_and_bytes(interface, name, given, (shapes or {}).get(name, ()))
        sent.inputs.add(name=name, datatype=interface.inputs[name].datatype, shape=shape)
        sent.raw_input_contents.append(raw)
    encoded: bytes = sent.SerializeToString()
    return encoded


def _set_parameter(parameter: Any, value: bool | int | str) -> None:
    kind = {bool: "bool_param", int: "int64_param"}.get(type(value), "string_param")
    setattr(parameter, kind, value)


# -- from the wire -----------------------------------------------------------------------------------------


def decode(exchange: Exchange) -> Decoding:
    """Read the responses of a stream."""
    answer = Answer(error=exchange.error)
    parse, unreadable = _parser()
    counts: dict[str, int] = {}
    for read, data in enumerate(exchange.data):
        if read and read % RESPONSES_PER_STEP == 0:
            yield
        try:
            response = parse(data)
        except unreadable as exc:
            answer.error = RequestError("decode", f"a response cannot be read ({exc}): {snippet(data)}")
            break
        if response.error_message:
            answer.error = answer.error or RequestError("server", response.error_message)
        elif response.infer_response.outputs:
            _take(response.infer_response, read, answer, counts)
    if answer.error is None and not exchange.data:
        answer.error = RequestError("decode", "the stream ended without a response")
    # The transport knows for every message by how much its stamp may be another's.
    answer.content_shared = list(range(len(answer.content)))
    if counts:
        answer.usage = Usage(counts.get("num_input_tokens"), counts.get("num_output_tokens"))
    return answer


@cache
def _parser() -> tuple[Callable[[bytes], Any], type[Exception]]:
    """What reads a response, and what it raises for bytes that are none."""
    from google.protobuf.message import DecodeError

    from genai_perf.endpoints.kserve_messages import message

    return message("ModelStreamInferResponse").FromString, DecodeError


def _take(response: Any, read: int, answer: Answer, counts: dict[str, int]) -> None:
    """The outputs of one response that are of interest."""
    raw = response.raw_output_contents
    for place, output in enumerate(response.outputs):
        name = output.name
        if name == TEXT_OUTPUT:
            text = _texts(raw[place]) if place < len(raw) else _plain_texts(output)
            if text:
                answer.content.append(text)
                answer.content_reads.append(read)
        elif name in ("num_output_tokens", "num_input_tokens") and place < len(raw):
            number = int.from_bytes(raw[place][:4], "little")  # UINT32
            is_sum = name == "num_output_tokens"  # each response says what it brought itself
            counts[name] = counts.get(name, 0) + number if is_sum else number
        elif name == "finish_reason" and place < len(raw):
            answer.finish_reason = _texts(raw[place]) or answer.finish_reason


def _texts(raw: bytes) -> str:
    """The elements of a BYTES tensor, one after the other: nearly always one."""
    start, end = 4, 4 + int.from_bytes(raw[:4], "little")
    if end >= len(raw):
        return raw[start:].decode(errors="replace")
    texts = []
    while start <= len(raw):
        texts.append(raw[start:end])
        start, end = end + 4, end + 4 + int.from_bytes(raw[end : end + 4], "little")
    return b"".join(texts).decode(errors="replace")


def _plain_texts(output: Any) -> str:
    """Of a server that does not use raw contents."""
    return b"".join(output.contents.bytes_contents).decode(errors="replace")


_TENSORRTLLM = Endpoint(
    name="kserve",
    path="inference.GRPCInferenceService/ModelStreamInfer",
    build=build_tensorrtllm,
    decode=decode,
    prompt_text=prompt_text,
    transport="grpc",
    limit=limit_tensorrtllm,
    extend=extend,
    is_triton=True,
)

_VLLM = replace(
    _TENSORRTLLM,
    build=build,
    limit=limit_vllm,
    extend=extend_vllm,
    usage_request=_COUNTS,
    usage_unasked=False,
)

ENDPOINT = replace(_TENSORRTLLM, backends={"tensorrtllm": _TENSORRTLLM, "vllm": _VLLM})
