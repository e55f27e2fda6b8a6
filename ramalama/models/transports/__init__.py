"""Transports: they find models on model hubs, in registries and at URLs.

To add one, add a module and a row in `TRANSPORTS`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, cast

from ramalama.errors import ModelPullError
from ramalama.models.reference.scheme import Scheme

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Mapping

    import httpx2

    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.base import (
        OpenableTransport,
        RemoteModel,
        Transport,
        TransportContext,
    )

# Module and class; they are imported when a model of the scheme is requested.
TRANSPORTS: Mapping[Scheme, tuple[str, str]] = {
    Scheme.OLLAMA: ("ollama.transport", "OllamaTransport"),
    Scheme.HUGGINGFACE: ("huggingface.transport", "HuggingFaceTransport"),
    Scheme.MODELSCOPE: ("modelscope.transport", "ModelScopeTransport"),
    Scheme.OCI: ("oci.transport", "OciTransport"),
    Scheme.HTTP: ("url", "UrlTransport"),
    Scheme.HTTPS: ("url", "UrlTransport"),
}


@contextmanager
def open_transport(scheme: Scheme, context: TransportContext) -> Generator[Transport]:
    """Open the transport of *scheme*, which is not `Scheme.FILE`; send no request yet.

    The files that it finds can be downloaded only inside the ``with`` block.
    """
    if context.offline:
        yield _Offline()
        return
    with ExitStack() as clients:

        def open_client(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
            from ramalama.models.http.client import (  # noqa: PLC0415 (httpx2 takes long to import)
                open_http,
            )

            return clients.enter_context(open_http(verify=verify))

        yield load_transport(scheme).open(context, open_client)


def load_transport(scheme: Scheme) -> type[OpenableTransport]:
    """Import the transport class of *scheme*, which is not `Scheme.FILE`."""
    module, name = TRANSPORTS[scheme]
    return cast("type[OpenableTransport]", getattr(import_module(f"{__name__}.{module}"), name))


class _Offline:
    """A transport that finds no model, because the network must not be used."""

    def find(self, reference: ModelRef, wanted: ModelFormat) -> RemoteModel:  # noqa: ARG002 (it makes no difference)
        msg = f"{reference} is not on this machine, and offline mode is on"
        raise ModelPullError(msg)
