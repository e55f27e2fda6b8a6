"""Explain why a model of Ollama's cannot be pulled or run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import AccessDenied, ModelPullError, ModelUnsupported, UnknownModel
from ramalama.models.http.failures import LONGEST_DETAIL
from ramalama.models.transports.oci.manifests.media_types import OLLAMA
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama.errors import ModelError
    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.transports.oci.manifests.manifest import Manifest

_LIBRARY = "library"
_WEIGHTS = f"{OLLAMA}model"
# Weights in the format of Ollama's own engine: thousands of layers, one for each tensor.
_TENSORS = frozenset({f"{OLLAMA}tensor", f"{OLLAMA}json"})


def check_loadable(manifest: Manifest, config: Mapping[str, object], reference: ModelRef) -> None:
    """Reject a model that llama.cpp cannot load.

    Raises:
        ModelUnsupported: the message says why.
    """
    types = [layer.media_type for layer in manifest.layers]
    weights = types.count(_WEIGHTS)
    model_format = config.get("model_format")
    if config.get("remote_host") or config.get("remote_model"):
        msg = f"{reference} runs in Ollama's cloud; there are no weights of it to download"
    elif _TENSORS.intersection(types) or model_format not in (None, "", "gguf"):
        requires = config.get("requires")
        since = f" {one_line(requires)}" if isinstance(requires, str) else ""
        msg = f"{reference} is made for Ollama's own engine{since}; choose a tag with GGUF weights"
    elif weights != 1:
        msg = f"{reference} has {weights or 'no'} layers with weights instead of one"
    else:
        return
    raise ModelUnsupported(msg)


def refusal(answer: HttpAnswer, host: str, reference: ModelRef) -> ModelError:
    """Return the error for an *answer* that is neither 2xx nor 404."""
    detail = f": {said}" if (said := one_line(answer.body, longest=LONGEST_DETAIL)) else ""
    match answer.status:
        case 401 | 403:
            return AccessDenied(
                f"{host} does not give public access to {reference}; only public models of such "
                "registries can be pulled"
            )
        case 400:  # Hugging Face's status for a missing tag
            return UnknownModel(f"{host} does not know {reference}{detail}")
        case 412:  # Ollama's registry compares the client's version
            return ModelUnsupported(f"{host} does not give {reference} to this client{detail}")
        case 429:
            return ModelPullError(f"{host} has had too many requests", hint="try again later")
        case status:
            return ModelPullError(f"{host} answered {status}{detail}")


def where_to_look(path: str) -> str:
    """Return where to look for a model that Ollama does not have, as the end of a sentence."""
    namespace, _, name = path.partition("/")
    elsewhere = f"; at Hugging Face it would be hf://{path}"
    page = f"; https://ollama.com/search?q={name} shows what there is"
    return page if namespace == _LIBRARY else f"{page}{elsewhere}"
