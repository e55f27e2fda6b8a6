"""Transports, from a reference to what there is to be fetched, with a server that says anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import ModelError
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.transports.huggingface.transport import HuggingFaceTransport
from ramalama.models.transports.modelscope.transport import ModelScopeTransport
from ramalama.models.transports.oci.client.registry import Access
from ramalama.models.transports.oci.transport import OciTransport
from ramalama.models.transports.ollama.transport import OllamaTransport
from ramalama.models.transports.url import UrlTransport
from ramalama_engines.user import InvokingUser
from tests.fuzz import sensible_answers as answers
from tests.fuzz.answers import SECRET, SEPARATOR, Answers
from tests.fuzz.models import check_model, check_refusal
from tests.fuzz.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ramalama.models.transports.base import RemoteModel, Transport

_HASTE = RetryPolicy(tries=2, sleep=lambda _seconds: None)
_NOWHERE = Path("/nonexistent")
_MOST_REQUESTS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzedTransport:
    """A transport; the first byte of an input chooses the reference, the rest are answers.

    Attributes:
        open: makes it, with the client of the server.
        references: in all forms.
        answers: that make sense, in their order.
        home: the only host that may be told a secret; None where another one may be named.
    """

    open: Callable[[Answers], Transport]
    references: Sequence[str]
    answers: Callable[[], Sequence[Sequence[bytes]]]
    home: str | None = field(default=None)

    def run(self, data: bytes) -> None:
        """Look at what `find` returns."""
        found = self.find(data)
        if isinstance(found, ModelError):
            check_refusal(found, secret=SECRET)
        else:
            check_model(found, secret=SECRET)

    def find(self, data: bytes) -> RemoteModel | ModelError:
        """Find the model that a server says anything of, or say why there is none."""
        choice = data[0] if data else 0
        wanted = ModelFormat.GGUF if choice < 128 else ModelFormat.SAFETENSORS
        reference = ModelRef.parse(self.references[choice % len(self.references)])
        server = Answers(data[1:], home=self.home)
        try:
            with server.client:
                return self.open(server).find(reference, wanted)
        except ModelError as exc:
            return exc
        finally:
            assert server.asked <= _MOST_REQUESTS

    def seeds(self) -> tuple[bytes, ...]:
        """Return answers that make sense, for every form of a reference."""
        numbers = range(len(self.references))
        inputs = [SEPARATOR.join(answers) for answers in self.answers()]
        return tuple(bytes([number]) + each for each in inputs for number in numbers)


def access_to(server: Answers) -> Access:
    """Reach *server*, as any registry, with a password for one of them."""
    return Access(
        open_http=server.open_client,
        user=InvokingUser(env={}, home=_NOWHERE, uid=1000, root=_NOWHERE),
        tls_verify=False,
        authfile=Path(__file__).with_name("auth.json"),
        retry_policy=_HASTE,
    )


def _oci(server: Answers) -> Transport:
    return OciTransport(access_to(server))


def _ollama(server: Answers) -> Transport:
    return OllamaTransport(client=server.client, retry_policy=_HASTE)


def _hugging_face(server: Answers) -> Transport:
    return HuggingFaceTransport(
        client=server.client, env={"HF_TOKEN": SECRET}, home=_NOWHERE, retry_policy=_HASTE
    )


def _modelscope(server: Answers) -> Transport:
    env = {"MODELSCOPE_API_TOKEN": SECRET}
    return ModelScopeTransport(client=server.client, env=env, retry_policy=_HASTE)


def _url(server: Answers) -> Transport:
    return UrlTransport(client=server.client, retry_policy=_HASTE)


TRANSPORTS: Mapping[str, FuzzedTransport] = {
    "oci": FuzzedTransport(
        open=_oci,
        references=("oci://registry.test/acme/tiny:1", "oci://docker.io/acme/tiny:1"),
        answers=answers.oci,
    ),
    "ollama": FuzzedTransport(
        open=_ollama,
        references=("ollama://smollm2:135m", "ollama://registry.test/acme/tiny:1"),
        answers=answers.ollama,
    ),
    "huggingface": FuzzedTransport(
        open=_hugging_face,
        references=(
            "hf://acme/tiny",
            "hf://acme/tiny:Q8_0",
            "hf://acme/tiny@v1",
            "hf://acme/tiny/tiny-Q4_K_M.gguf",
        ),
        answers=answers.hugging_face,
        home="huggingface.co",
    ),
    "modelscope": FuzzedTransport(
        open=_modelscope,
        references=("ms://acme/tiny", "ms://acme/tiny:Q8_0", "ms://acme/tiny/tiny-Q4_K_M.gguf"),
        answers=answers.modelscope,
        home="modelscope.cn",
    ),
    "url": FuzzedTransport(
        open=_url,
        references=(
            "https://models.test/tiny.gguf",
            "https://models.test/tiny-00001-of-00002.gguf?download=true",
        ),
        answers=answers.url,
    ),
}


TARGETS: Mapping[str, Target] = {
    name: Target(run=transport.run, seeds=transport.seeds, has_json=True)
    for name, transport in TRANSPORTS.items()
}
