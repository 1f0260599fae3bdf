"""Where a dynamic gRPC run's messages get their form from: a file, or the server itself."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from genai_perf.config.schema import Config
from genai_perf.endpoints import descriptors
from genai_perf.endpoints.descriptors import Method
from genai_perf.exceptions import InputError, ServerError
from genai_perf.transports.address import Address
from genai_perf.types import Request, Workload
from genai_perf.workload import calls, protos
from genai_perf.workload.calls import Row


def workload(config: Config, loop: asyncio.Runner) -> Workload:
    """All calls of a run, encoded. Raises InputError, UsageError, ServerError.

    The server is asked only where messages are given in JSON and no file describes them.
    """
    assert config.input.file is not None
    return Workload(_requests(calls.read(config.input.file), config, loop))


def encoded(workload: Workload, names: Iterable[str], config: Config, loop: asyncio.Runner) -> Workload:
    """Calls whose bodies are there already, as they stand in `inputs.json`. Raises as `workload` does.

    `names` are what errors call them.
    """
    named = zip(workload.requests, names)
    made = _requests([calls.row(json.loads(request.body), name) for request, name in named], config, loop)
    requests = [replace(was, messages=now.messages) for was, now in zip(workload.requests, made, strict=True)]
    return replace(workload, requests=requests)


def _requests(rows: list[Row], config: Config, loop: asyncio.Runner) -> list[Request]:
    method = None
    given = config.endpoint
    if given.proto_descriptor is not None:
        source = f"--proto-descriptor {given.proto_descriptor}"
        method = _method_in(protos.read_set(given.proto_descriptor), config, source)
    elif given.proto is not None:
        method = _method_in(protos.compile_file(given.proto), config, f"--proto {given.proto}")
    elif any(row.command is None for row in rows):
        method = loop.run(_ask(config))
    return calls.requests(rows, method, config)


def _method_in(files: list[bytes], config: Config, source: str) -> Method:
    try:
        pool = descriptors.pool_of_files(files)
    except descriptors.MissingFiles as exc:
        raise InputError(
            f"{source}: {exc} is imported, and not in it", hint="protoc --include_imports takes all of them"
        ) from exc
    except ValueError as exc:
        raise InputError(f"{source}: {exc}") from exc
    known = descriptors.services(pool, files)
    return descriptors.find_method(pool, str(config.endpoint.grpc_method), known, source)


async def _ask(config: Config) -> Method:
    """The method as the first URL's server describes it."""
    from genai_perf.transports.reflection import Reflection

    address = Address.of(config.urls[0])
    headers = [header.partition(":") for header in config.endpoint.headers]
    server = Reflection(address, config.endpoint, {name.strip(): value.strip() for name, _, value in headers})
    method = str(config.endpoint.grpc_method)
    service, _ = descriptors.split(method)
    files = await server.files(service)
    pool, files = await completed(files, server.files_named, address.shown)
    known = [] if files else await server.services()
    return descriptors.find_method(pool, method, known, address.shown)


async def completed(
    files: list[bytes], ask: Callable[[list[str]], Coroutine[Any, Any, list[bytes]]], shown: str
) -> tuple[Any, list[bytes]]:
    """A pool of the files and all they import, which is asked for until nothing is missing."""
    asked: set[str] = set()
    while True:
        try:
            return descriptors.pool_of_files(files), files
        except descriptors.MissingFiles as exc:
            missing = [name for name in exc.names if name not in asked]
            if not missing:
                raise ServerError(f"{shown}: reflection does not have {exc}") from exc
            asked.update(missing)
            files = files + await ask(missing)
        except ValueError as exc:
            raise ServerError(f"{shown}: reflection: {exc}") from exc
