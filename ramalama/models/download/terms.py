"""What the answers to one transfer have to agree with: the announcement, and each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import ModelPullError
from ramalama.models.download.response import StartOver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama.models.download.plan import Piece, Plan
    from ramalama.models.download.response import Head
    from ramalama.models.download.values import RemoteBlob


class Terms:
    """Holds answers to what is known of a blob, and learns from the first of them.

    Where the digest is known it alone decides which bytes belong together: two mirrors may name
    one content differently. Where it is not, all parts must come from answers with one validator.
    """

    def __init__(self, blob: RemoteBlob, *, validator: str | None, ranges: bool) -> None:
        self.blob = blob
        self.validator = None if blob.digest else validator
        self.parallel = False
        self._ranges = ranges
        self._agreed = False

    @property
    def resumable(self) -> bool:
        """Whether the rest may come with another answer than the beginning."""
        return self._ranges and (self.blob.digest is not None or self.validator is not None)

    def headers(self, piece: Piece) -> Mapping[str, str]:
        """Say which part we want."""
        if not self._ranges:
            return {}
        last = piece.end - 1 if piece.end is not None and self.resumable else ""
        wanted = {"range": f"bytes={piece.position}-{last}"}
        if self.validator is not None:
            wanted["if-range"] = self.validator
        return wanted

    def agree(self, head: Head, piece: Piece, plan: Plan) -> bool:
        """Check an answer for *piece*, and plan accordingly; True for the first one.

        Raises:
            StartOver: it does not fit what came before.
            ModelPullError: it does not fit what was announced.
        """
        self._check(head, piece, plan)
        first = not self._agreed
        if first:
            self._agreed = True
            self.validator = None if self.blob.digest else head.validator
            if plan.size is None and head.size is not None:
                plan.learn_size(piece, head.size)
        if (head.whole or not self.resumable) and not plan.extend(piece):
            msg = "it sends all again"
            raise StartOver(msg, ranges=False)
        self.parallel = self.parallel or plan.worth_sharing
        return first

    def _check(self, head: Head, piece: Piece, plan: Plan) -> None:
        if head.oddity and (self.blob.digest is None or head.size != self.blob.size):
            msg = f"where {self.blob.name} should be, the server answered {head.oddity}"
            raise ModelPullError(msg)
        if self.validator is not None and head.validator != self.validator:
            msg = "it has changed"
            raise StartOver(msg)
        if head.start != piece.position:
            msg = "it does not send the part that was asked for"
            raise StartOver(msg, ranges=False)
        if head.size is not None and plan.size is not None and head.size != plan.size:
            self._refuse_size(head)

    def _refuse_size(self, head: Head) -> None:
        if not head.whole:
            msg = "it contradicts itself about the size"
            raise StartOver(msg, ranges=False)
        if self.blob.size is None:
            msg = "it has changed its size"
            raise StartOver(msg)
        msg = (
            f"{self.blob.name} has {head.size} bytes at its server, {self.blob.size} were announced"
        )
        raise ModelPullError(msg)
