"""Which GPUs to ask for: those that were named, or else the ones that are found on this machine."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from genai_perf.config.urls import EMBEDDED, parse_url
from genai_perf.telemetry import Spec, dcgm, nvml

if TYPE_CHECKING:
    from genai_perf.config.schema import Config

INTERVAL_S = 0.33
"""GenAI-Perf's."""

FOUND = ("dcgm", "nvml")
"""Names of this machine's, which nobody named; the others' have an address in them."""

_PROBE_LIMIT_S = 0.05


def is_found(source: str) -> bool:
    """Whether that source was found rather than named, also where it is one of a merged run's."""
    return source.rpartition("/")[2] in FOUND


def specs(config: Config) -> list[Spec]:
    """What to ask for a run like this. Milliseconds; asks nobody on another host."""
    how, named = config.telemetry.gpu, config.telemetry.gpu_urls
    interval_s = config.telemetry.interval_s or INTERVAL_S
    if how == "off":
        return []
    if how == "nvml":
        return [nvml.spec(interval_s=interval_s)]
    if how == "dcgm" or named:
        return [dcgm.spec(url, interval_s=interval_s) for url in dict.fromkeys(named or (dcgm.DEFAULT_URL,))]
    if _listens(dcgm.DEFAULT_URL):
        return [dcgm.spec(dcgm.DEFAULT_URL, interval_s=interval_s, optional=True, name=FOUND[0])]
    if all(_is_here(url) for url in config.urls) and nvml.is_installed():
        return [nvml.spec(interval_s=interval_s, optional=True, name=FOUND[1])]
    return []


def _listens(address: str) -> bool:
    url = parse_url(address)
    try:
        socket.create_connection((url.host, url.port), _PROBE_LIMIT_S).close()
    except OSError:
        return False
    return True


def _is_here(text: str) -> bool:
    """Whether a URL of the endpoint is on this machine, without asking anybody."""
    if text == EMBEDDED:
        return False  # needs no GPU
    url = parse_url(text)
    if url.scheme == "unix" or url.host in ("localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(url.host)
    except ValueError:
        return False
    if address.is_loopback:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as own:
            own.bind((url.host, 0))  # only an address of this machine's can be taken
    except OSError:
        return False
    return True
