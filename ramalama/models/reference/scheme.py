"""The transports of models, by the scheme of a reference."""

from __future__ import annotations

from enum import StrEnum


class Scheme(StrEnum):
    """The transport of a model."""

    FILE = "file"
    OLLAMA = "ollama"
    HUGGINGFACE = "hf"
    MODELSCOPE = "ms"
    OCI = "oci"
    HTTP = "http"
    HTTPS = "https"


PREFIXES = {
    "ollama": Scheme.OLLAMA,
    "hf": Scheme.HUGGINGFACE,
    "huggingface": Scheme.HUGGINGFACE,
    "ms": Scheme.MODELSCOPE,
    "modelscope": Scheme.MODELSCOPE,
    "oci": Scheme.OCI,
    "docker": Scheme.OCI,
    "http": Scheme.HTTP,
    "https": Scheme.HTTPS,
}
"""The schemes, by the words before ``:`` or ``://`` in a reference."""

_WITHOUT_NAMES = (Scheme.HTTP, Scheme.HTTPS)


def parse_transport(word: str) -> Scheme:
    """Parse the name of a transport that can be the default one: ``huggingface`` or ``hf``.

    Raises:
        ValueError: there is no such transport.
    """
    names = {name: scheme for name, scheme in PREFIXES.items() if scheme not in _WITHOUT_NAMES}
    try:
        return names[word.lower()]
    except KeyError:
        msg = "one of " + ", ".join(names)
        raise ValueError(msg) from None
