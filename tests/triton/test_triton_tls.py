"""Triton behind TLS: its own, over gRPC, and that of a server before it, over HTTP."""

import httpx
import pytest
from certificates import Authority
from server import Peer, Server, chunked
from triton_run import GENERATE, LOAD, REQUESTS, TOKENS, VLLM, WORKLOAD, Measure
from triton_server import TritonServer


def test_grpc_goes_over_tls_with_a_certificate_for_each_side(
    secure_triton: TritonServer, authority: Authority, measure: Measure
) -> None:
    certificate, key = authority.issue("client.example")
    url = secure_triton.grpc
    ours = (
        "--tls-ca-file",
        str(authority.file),
        "--tls-cert-file",
        str(certificate),
        "--tls-key-file",
        str(key),
    )
    theirs = (
        "--",
        "--ssl-grpc-use-ssl",
        *("--ssl-grpc-root-certifications-file", str(authority.file)),
        *("--ssl-grpc-certificate-chain-file", str(certificate)),
        *("--ssl-grpc-private-key-file", str(key)),
    )
    options = ("-m", "vllm_like", *VLLM, "--streaming", *WORKLOAD, *LOAD)
    for run in (measure("-u", url, *options, *theirs), measure("-u", f"https://{url}", *options, *ours)):
        assert 0 == run.exit_code, run.stderr
        assert {TOKENS} == {len(request["content_ns"]) for request in run.requests}
        assert REQUESTS == run.export["server_statistics"]["vllm_like"]["inference_count"]


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("", "error: --url {grpc}: "),
        ("https://", "error: --url https://{grpc}: the server's certificate is not"),
    ],
)
def test_a_server_with_tls_refuses_clients_without(
    scheme: str, message: str, secure_triton: TritonServer, measure: Measure
) -> None:
    run = measure("-m", "vllm_like", "-u", f"{scheme}{secure_triton.grpc}", *VLLM)
    assert 1 == run.exit_code
    assert run.error.startswith(message.format(grpc=secure_triton.grpc))
    assert ("hint: --tls-ca-file names a certificate to trust" in run.error) == bool(scheme)


def test_generate_goes_over_tls_and_so_do_its_questions(
    triton: TritonServer, authority: Authority, measure: Measure
) -> None:
    def terminate(peer: Peer) -> None:
        """Hand on what comes, as a server before Triton, which has no TLS for HTTP itself."""
        with httpx.Client(base_url=f"http://{triton.http}") as client:
            while asked := peer.request():
                found = client.request(asked.method, asked.target, content=asked.body)
                peer.write(
                    chunked(found.content, headers=(f"Content-Type: {found.headers['content-type']}",))
                )

    with Server(terminate, tls=authority.server_context("127.0.0.1")) as server:
        options = ("-m", "tensorrtllm_like", *GENERATE, "--streaming", *WORKLOAD, *LOAD)
        run = measure("-u", server.url, *options, "--tls-ca-file", str(authority.file))
        refused = measure("-u", server.url, *options)
    assert 0 == run.exit_code, run.stderr
    assert {TOKENS} == {len(request["content_ns"]) for request in run.requests}
    assert REQUESTS == run.export["server_statistics"]["tensorrtllm_like"]["inference_count"]
    assert 1 == refused.exit_code
    assert "the server's certificate is not accepted" in refused.error
