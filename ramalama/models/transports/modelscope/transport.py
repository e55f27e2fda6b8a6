"""Find models at ModelScope: ``ms://org/repo[@revision][:QUANTISATION | /FILE]``.

Two requests list a repository's files with their SHA-256, which identify the version: the API has
no names for commits. `MODELSCOPE_ENDPOINT` names another site (https://www.modelscope.ai), and
`MODELSCOPE_API_TOKEN` holds the token. The token that `modelscope login` keeps is not read, since
it is in a pickle, which could run code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.http.failures import DEFAULT_RETRY_POLICY
from ramalama.models.transports.base import RemoteFile, RemoteModel
from ramalama.models.transports.hub import Hub, Token, find_endpoint, parse_name
from ramalama.models.transports.modelscope.api import ModelScopeApi
from ramalama.models.transports.selection.gguf import list_variants
from ramalama.models.transports.selection.request import FileRequest
from ramalama.models.transports.selection.select import select

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import httpx2

    from ramalama.models.http.failures import RetryPolicy
    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.base import OpenClient, TransportContext
    from ramalama.models.transports.selection.listing import ListedFile

_ENDPOINT = "https://modelscope.cn"
_TOKEN = "MODELSCOPE_API_TOKEN"  # noqa: S105 (a variable's name)


class ModelScopeTransport:
    """Finds models at ModelScope, with one user's environment."""

    def __init__(
        self,
        *,
        client: httpx2.Client,
        env: Mapping[str, str],
        retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
    ) -> None:
        self._client = client
        self._env = env
        self._retry_policy = retry_policy

    @classmethod
    def open(cls, context: TransportContext, open_client: OpenClient) -> Self:
        """Return a transport for one call; see `OpenableTransport.open`."""
        return cls(client=open_client(), env=context.env, retry_policy=context.retry_policy)

    def find(self, reference: ModelRef, wanted: ModelFormat) -> RemoteModel:
        """Return the files that *reference* has now; see `Transport.find`."""
        name = parse_name(reference)
        api = self._open(name.repository)
        default = api.default_revision()
        revision = unquote(name.revision) if name.revision else default
        request, listed = FileRequest.of_hub(reference, wanted), api.list_files(revision)
        selected = select(request, listed, read=lambda file: api.read(revision, file))
        files = [
            RemoteFile(name=one.file.path, kind=one.kind, blob=_blob(api, revision, one.file))
            for one in selected
        ]
        return RemoteModel(
            reference=reference,
            revision=None,
            files=tuple(files),
            variants=list_variants(request, listed),
        )

    def _open(self, repository: str) -> ModelScopeApi:
        token = self._env.get(_TOKEN, "").strip()
        hub = Hub(
            endpoint=find_endpoint(self._env, "MODELSCOPE_ENDPOINT", _ENDPOINT),
            client=self._client,
            secrets=_secrets(Token(value=token, source=_TOKEN)) if token else {},
            retry_policy=self._retry_policy,
        )
        return ModelScopeApi(hub=hub, repository=repository)


def _secrets(token: Token) -> Mapping[str, str]:
    """Return both headers for the token: older requests use the cookie, newer ones do not."""
    return {
        "authorization": f"Bearer {token.value}",
        "cookie": f"m_session_id={token.value}",
    }


def _blob(api: ModelScopeApi, revision: str, file: ListedFile) -> RemoteBlob:
    path = api.path(revision, file.path)
    location = Location(url=api.hub.endpoint + path, headers=api.hub.secrets)
    return RemoteBlob(
        name=file.path,
        identity=str(file.sha256) if file.sha256 else f"ms:{api.hub.host}{path}",
        size=file.size,
        digest=file.sha256,
        locate=lambda: location,
        client=api.hub.client,
    )
