"""How models are found at the places where they live.

To add one: a file, and a row in `TRANSPORTS`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError
from ramalama.models.reference.reference import Scheme

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Mapping

    import httpx2

    from ramalama.models.http.retry import RetryPolicy
    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.base import RemoteModel, Transport
    from ramalama.models.transports.context import OpenClient, TransportContext


@contextmanager
def open_transport(scheme: Scheme, context: TransportContext) -> Generator[Transport]:
    """Make the transport of *scheme*, any but `Scheme.FILE`; nobody is asked yet.

    What it finds can be fetched as long as the block lasts.
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

        yield TRANSPORTS[scheme](context, open_client)


class _Offline:
    """Finds nothing, and says why."""

    def find(self, reference: ModelRef, wanted: ModelFormat) -> RemoteModel:  # noqa: ARG002 (it makes no difference)
        msg = f"{reference} is not on this machine, and we are offline"
        raise ModelPullError(msg)


def _retry_policy(context: TransportContext) -> RetryPolicy:
    from ramalama.models.http.retry import RetryPolicy  # noqa: PLC0415 (brings in httpx2)

    return RetryPolicy(tell=context.on_retry)


def _ollama(context: TransportContext, open_client: OpenClient) -> Transport:
    from ramalama.models.transports.ollama.transport import (  # noqa: PLC0415 (when it is used)
        OllamaTransport,
    )

    return OllamaTransport(client=open_client(), retry_policy=_retry_policy(context))


def _hugging_face(context: TransportContext, open_client: OpenClient) -> Transport:
    from ramalama.models.transports.huggingface.transport import (  # noqa: PLC0415 (when it is used)
        HuggingFaceTransport,
    )

    return HuggingFaceTransport(
        client=open_client(),
        env=context.env,
        home=context.home,
        retry_policy=_retry_policy(context),
    )


def _modelscope(context: TransportContext, open_client: OpenClient) -> Transport:
    from ramalama.models.transports.modelscope.transport import (  # noqa: PLC0415 (when it is used)
        ModelScopeTransport,
    )

    return ModelScopeTransport(
        client=open_client(), env=context.env, retry_policy=_retry_policy(context)
    )


def _oci(context: TransportContext, open_client: OpenClient) -> Transport:
    from ramalama.models.transports.oci.client.registry import (  # noqa: PLC0415 (when it is used)
        Access,
    )
    from ramalama.models.transports.oci.transport import (  # noqa: PLC0415 (when it is used)
        OciTransport,
    )

    access = Access(
        open_http=open_client,
        user=context.user,
        tls_verify=context.tls_verify,
        authfile=context.authfile,
        retry_policy=_retry_policy(context),
    )
    return OciTransport(access)


def _url(context: TransportContext, open_client: OpenClient) -> Transport:
    from ramalama.models.transports.url import UrlTransport  # noqa: PLC0415 (when it is used)

    return UrlTransport(client=open_client(), retry_policy=_retry_policy(context))


TRANSPORTS: Mapping[Scheme, Callable[[TransportContext, OpenClient], Transport]] = {
    Scheme.OLLAMA: _ollama,
    Scheme.HUGGINGFACE: _hugging_face,
    Scheme.MODELSCOPE: _modelscope,
    Scheme.OCI: _oci,
    Scheme.HTTP: _url,
    Scheme.HTTPS: _url,
}
