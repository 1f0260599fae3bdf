"""The TLS settings of a run."""

import ssl

from genai_perf.config.schema import EndpointConfig
from genai_perf.exceptions import UsageError


def client_context(endpoint: EndpointConfig) -> ssl.SSLContext:
    """Verification on, the system's authorities or the user's, HTTP/1.1. Raises UsageError."""
    try:
        context = ssl.create_default_context(cafile=endpoint.tls_ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise UsageError(
            f"--tls-ca-file: {endpoint.tls_ca_file}: {exc}", hint="give a file of PEM certificates"
        ) from exc
    context.check_hostname = endpoint.tls_verify and endpoint.tls_verify_host
    context.verify_mode = ssl.CERT_REQUIRED if endpoint.tls_verify else ssl.CERT_NONE
    if endpoint.tls_cert_file is not None:
        try:
            context.load_cert_chain(endpoint.tls_cert_file, endpoint.tls_key_file)
        except (OSError, ssl.SSLError) as exc:
            given = f"--tls-cert-file: {endpoint.tls_cert_file}"
            raise UsageError(
                f"{given}: {exc}", hint="PEM certificate, and its key there or in --tls-key-file"
            ) from exc
    return context
