"""Find models at Hugging Face: ``hf://org/repo[@revision][:QUANTISATION | /FILE]``.

Two requests return a commit and the list of its files with their SHA-256; everything that is
downloaded afterwards belongs to this commit. `HF_ENDPOINT` names a mirror. `HF_HUB_OFFLINE` and
`TRANSFORMERS_OFFLINE` disable all requests. For the token, see `token`.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError
from ramalama.models.download.values import Location, RemoteBlob
from ramalama.models.formats.model_files import Digest
from ramalama.models.http.failures import DEFAULT_RETRY_POLICY
from ramalama.models.transports.base import RemoteFile, RemoteModel
from ramalama.models.transports.hub import LARGEST_READ, Hub, find_endpoint, parse_name
from ramalama.models.transports.huggingface.api import HuggingFaceApi
from ramalama.models.transports.huggingface.token import find_token, is_true
from ramalama.models.transports.selection.gguf import list_variants
from ramalama.models.transports.selection.request import FileRequest
from ramalama.models.transports.selection.select import select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Self

    import httpx2

    from ramalama.models.http.failures import RetryPolicy
    from ramalama.models.options import ModelFormat
    from ramalama.models.reference.names import HubName
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.base import OpenClient, TransportContext
    from ramalama.models.transports.selection.listing import ListedFile

_ENDPOINT = "https://huggingface.co"
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


class HuggingFaceTransport:
    """Finds models at Hugging Face, with one user's environment and token."""

    def __init__(
        self,
        *,
        client: httpx2.Client,
        env: Mapping[str, str],
        home: Path,
        retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
    ) -> None:
        self._client = client
        self._env = env
        self._home = home
        self._retry_policy = retry_policy

    @classmethod
    def open(cls, context: TransportContext, open_client: OpenClient) -> Self:
        """Return a transport for one call; see `OpenableTransport.open`."""
        return cls(
            client=open_client(),
            env=context.env,
            home=context.home,
            retry_policy=context.retry_policy,
        )

    def find(self, reference: ModelRef, wanted: ModelFormat) -> RemoteModel:
        """Return the files that *reference* has now; see `Transport.find`."""
        name = parse_name(reference)
        api = self._open(name)
        pin = api.pin(name.revision)
        if pin.gated:
            api.check_access()
        files = api.list_files(pin.commit)

        @cache
        def read(file: ListedFile) -> bytes:
            return api.read(pin.commit, file)

        request = FileRequest.of_hub(reference, wanted)
        selected = select(request, files, read=read)
        return RemoteModel(
            reference=reference,
            revision=pin.commit,
            files=tuple(
                RemoteFile(
                    name=one.file.path,
                    kind=one.kind,
                    blob=_blob(api, pin.commit, one.file, _digest(one.file, read)),
                )
                for one in selected
            ),
            variants=list_variants(request, files),
        )

    def _open(self, name: HubName) -> HuggingFaceApi:
        offline = next((word for word in _OFFLINE if is_true(self._env.get(word))), None)
        if offline:
            msg = f"hf://{name.repository} is not on this machine, and {offline} is set"
            raise ModelPullError(msg)
        token = find_token(self._env, self._home)
        secrets = {"authorization": f"Bearer {token.value}"} if token else {}
        endpoint = find_endpoint(self._env, "HF_ENDPOINT", _ENDPOINT)
        hub = Hub(
            endpoint=endpoint, client=self._client, secrets=secrets, retry_policy=self._retry_policy
        )
        return HuggingFaceApi(hub=hub, repository=name.repository, token=token)


def _digest(file: ListedFile, read: Callable[[ListedFile], bytes]) -> Digest | None:
    """Return the digest of *file*.

    The hub lists the SHA-256 of files in its large file storage. Any other file is smaller than 10
    MB; it is read now, and checked against Git's name for it. The result is None for mirrors
    without that storage.
    """
    if file.sha256 or not file.oid or file.size > LARGEST_READ:
        return file.sha256
    return Digest(hashlib.sha256(read(file)).hexdigest())


def _blob(api: HuggingFaceApi, commit: str, file: ListedFile, digest: Digest | None) -> RemoteBlob:
    path = api.path(commit, file)
    location = Location(url=api.hub.endpoint + path, headers=api.hub.secrets)
    return RemoteBlob(
        name=file.path,
        identity=str(digest) if digest else f"hf:{api.hub.host}{path}",
        size=file.size,
        digest=digest,
        locate=lambda: location,
        client=api.hub.client,
    )
