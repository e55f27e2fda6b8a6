"""Images that others are built on, read from a registry that says anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import ModelError
from ramalama.models.options import PushKind
from ramalama.models.transports.oci.base_image import read_base
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama.models.transports.oci.pack import pack_image
from ramalama_engines.image_reference import ImageReference
from ramalama_values.json import is_array
from tests.fuzz import sensible_answers
from tests.fuzz.answers import SECRET, SEPARATOR, Answers
from tests.fuzz.models import check_refusal
from tests.fuzz.targets import Target
from tests.fuzz.transports import access_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_REFERENCE = ImageReference.parse("registry.test/base:1")


def image_on_base(data: bytes) -> None:
    """Read a base, and describe an image on it."""
    server = Answers(data)
    try:
        with server.client:
            base = read_base(_REFERENCE, access_to(server))
    except ModelError as exc:
        check_refusal(exc, secret=SECRET)
        return
    package = pack_image(PushKind.CAR, "fuzz", (), base)
    layers = parse_object(package.manifest)["layers"]
    assert is_array(layers)
    assert len(base.layers) + 1 == len(layers) == len(package.blobs) - 1
    parse_object(b"".join(package.blobs[-1].content.blocks()))


def seeds() -> Sequence[bytes]:
    """Return answers that make sense."""
    return tuple(SEPARATOR.join(answers) for answers in sensible_answers.oci())


TARGETS: Mapping[str, Target] = {
    "base": Target(run=image_on_base, seeds=seeds, has_json=True),
}
