"""What Triton is asked: before a run what its models take, around it what they did."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from itertools import repeat
from typing import Any

from genai_perf.config.schema import Config
from genai_perf.config.values import parse_request_parameters, parse_shapes
from genai_perf.endpoints import Endpoint
from genai_perf.endpoints.tensors import Interface
from genai_perf.exceptions import InputError, ServerError, UsageError
from genai_perf.metrics import server_statistics
from genai_perf.transports.address import Address
from genai_perf.transports.triton import Triton, UnknownModel
from genai_perf.types import Request, Turn, Workload

_READS_APART_S, _ALIKE, _MOST_READS = 0.02, 4, 50
"""Triton counts a request when all of it is released, which may be after its client has the whole answer: its
counters are read until so many reads are alike, but no more than that."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Served:
    """The measured models, as their server tells of them."""

    server: Triton
    interfaces: Mapping[str, Interface]
    """By model; none where a server that is only like Triton does not tell."""
    called: Mapping[str, Interface] = field(default_factory=dict)
    """The models that the user says they call, likewise."""
    _had: int = 0
    _before: list[dict[str, Any]] | None = None

    async def begin_warmup(self) -> None:
        """Note how many requests the models have had so far."""
        self._had = server_statistics.requests(await self._counters(), self.interfaces)

    async def begin(self, warmup: int) -> None:
        """Note the counters as they are before the measured requests, once those of the warm-up are in."""
        expected = self._had + warmup if self.interfaces else 0
        self._before = await (self._settled(expected) if warmup else self._counters())

    async def end(self) -> dict[str, Any]:
        """What the models did since; see `metrics/server_statistics.py`. Empty where nobody tells."""
        if self._before is None:
            return {}
        return server_statistics.during(
            self._before,
            await self._settled(),
            _decoupled(self.interfaces),
            [step for each in (*self.interfaces.values(), *self.called.values()) for step in each.steps],
            _decoupled(self.called),
        )

    async def _settled(self, requests: int = 0) -> list[dict[str, Any]]:
        """The counters when they rest and hold so many `requests`: they follow an answer by a moment."""
        found, alike = await self._counters(), 1
        for _ in range(_MOST_READS):
            counted = server_statistics.requests(found, self.interfaces)
            if not found or (alike >= _ALIKE and counted >= requests):
                break
            await asyncio.sleep(_READS_APART_S)
            last, found = found, await self._counters()
            alike = alike + 1 if last == found else 1
        return found

    async def _counters(self) -> list[dict[str, Any]]:
        try:
            return await self.server.statistics()
        except ServerError:
            return []  # the run itself says what is wrong there


def _decoupled(interfaces: Mapping[str, Interface]) -> dict[str, bool]:
    return {name: interface.is_decoupled for name, interface in interfaces.items()}


async def ask(config: Config, endpoint: Endpoint) -> Served:
    """Ask for every model of the run.

    Raises ServerError where a model is not there, and for gRPC, which cannot do without the answer, where
    nobody tells; UsageError where requests would not fit the model.
    """
    is_grpc = endpoint.transport == "grpc"
    server = Triton([Address.of(url) for url in config.urls], config.endpoint, is_grpc)
    interfaces = {}
    for model in config.endpoint.model_names:
        try:
            interfaces[model] = await server.interface(model, config.endpoint.model_version)
        except UnknownModel:
            if is_grpc or not config.endpoint.path:
                raise
        except ServerError:
            if is_grpc:
                raise
            break
    _warn(config, interfaces)
    is_ours = config.input.replay is None and not config.input.ready_made
    if not is_grpc and not config.endpoint.path and is_ours:
        _check(config, endpoint, interfaces)
    served = Served(server, interfaces, await _called(config, server) if interfaces else {})
    if is_grpc and not config.input.ready_made:
        _try(config, endpoint, served)
    return served


async def _called(config: Config, server: Triton) -> dict[str, Interface]:
    """What the server says of the models that a BLS model calls. Raises ServerError where it has them not."""
    called = {}
    for given in config.endpoint.bls_composing_models:
        name, _, version = given.partition(":")
        try:
            called[name] = await server.interface(name, version)
        except ServerError as exc:
            raise ServerError(f"--bls-composing-models: {exc.message}", hint=exc.hint) from exc
    return called


def _try(config: Config, endpoint: Endpoint, served: Served) -> None:
    """Encode a request for each model, so that what does not fit is said before the prompts are made."""
    from genai_perf.workload import bodies

    tried = _bodies(config, endpoint, served.interfaces)
    requests = [Request(0, bodies.encode(body), model, "0") for model, body in tried.items()]
    encoded(Workload(requests), served, config)


def _check(config: Config, endpoint: Endpoint, interfaces: Mapping[str, Interface]) -> None:
    """Likewise for HTTP, where what is no input of the model is a parameter of the request, or a slip."""
    from genai_perf.endpoints import generate

    for model, body in _bodies(config, endpoint, interfaces).items():
        inputs = interfaces[model].inputs
        generate.check(body, interfaces[model])
        for name in config.input.extra.keys() - inputs.keys():
            if near := get_close_matches(name, inputs, n=1):
                logger.warning(
                    "--extra-inputs: model %s has no input %r, and gets it as a parameter of the request; "
                    "did you mean %r?",
                    *(model, name, near[0]),
                )


def _bodies(config: Config, endpoint: Endpoint, models: Iterable[str]) -> dict[str, dict[str, Any]]:
    """A request for each model, with a token limit where the real ones may have one."""
    from genai_perf.workload.build import body_of

    given = config.input
    is_limited = given.limits_output or not given.is_synthetic
    turn = Turn(("hello",), max_tokens=given.output_tokens_mean or (1 if is_limited else None))
    return {model: body_of(turn, model, config, endpoint) for model in models}


def _warn(config: Config, interfaces: Mapping[str, Interface]) -> None:
    for interface in interfaces.values():
        if config.endpoint.streaming and not interface.is_decoupled:
            logger.warning(
                "--streaming: model %s is not decoupled: it answers with one response, and streams nothing",
                interface.model,
            )


def encoded(
    workload: Workload, served: Served, config: Config, names: Iterable[str] | None = None
) -> Workload:
    """The requests as messages for gRPC, by what the models say. Raises UsageError where they do not fit.

    `names` are what errors call them, where the user wrote them.
    """
    encode = encoder(served, config)
    requests = []
    for request, name in zip(workload.requests, repeat("") if names is None else names):
        try:
            requests.append(encode(request))
        except UsageError as exc:
            if not name:
                raise
            raise InputError(f"{name}: {exc.message}", hint=served.interfaces[request.model].wants()) from exc
    return replace(workload, requests=requests)


def encoder(served: Served, config: Config) -> Callable[[Request], Request]:
    """What makes messages for gRPC of a request; it can be pickled. Raises UsageError."""
    parameters = parse_request_parameters(config.endpoint.request_parameters)
    shapes = parse_shapes(config.endpoint.tensor_shapes)
    for interface in served.interfaces.values():
        for name in shapes.keys() - interface.inputs.keys():
            raise UsageError(
                f"--shape: model {interface.model} has no input {name!r}", hint=interface.wants()
            )
    return partial(_encoded, interfaces=served.interfaces, parameters=parameters, shapes=shapes)


def _encoded(
    request: Request,
    interfaces: Mapping[str, Interface],
    parameters: Mapping[str, bool | int | str],
    shapes: Mapping[str, tuple[int, ...]],
) -> Request:
    from genai_perf.endpoints import kserve
    from genai_perf.workload.bodies import encode

    interface = interfaces[request.model]
    body = kserve.fit(json.loads(request.body), interface)
    message = kserve.encode(body, interface, parameters, shapes, str(request.index))
    return replace(request, body=encode(body), messages=(message,))
