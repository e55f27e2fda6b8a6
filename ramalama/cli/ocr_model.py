"""Open the model with which `ramalama rag` reads scanned pages."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.cli.output.start_progress import StartProgress
from ramalama.rag.ocr_server import OcrAccess, OcrModel

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.cli.invocation import Invocation
    from ramalama.rag.index.meta import IndexMeta
    from ramalama.rag.values import PictureReader

NO_MODEL = "none"


@contextmanager
def opened_ocr_model(
    invocation: Invocation, name: str | None, earlier: IndexMeta | None
) -> Generator[PictureReader | None]:
    """Open the model *name* for the block; its server starts when the first page needs it.

    None as *name* stands for that of the *earlier* index; without an earlier index, for that of the
    settings. Without a model, yield None.

    Raises:
        ModelError, EngineFailure, ServerError: it cannot be used, or cannot see.
    """
    known, wanted = None, name or invocation.config.ocr_model
    if name is None and earlier is not None:
        known = earlier.ocr
        wanted = known.model if known else None
    if wanted is None or wanted == NO_MODEL:
        yield None
        return
    progress = StartProgress(quiet=invocation.quiet)
    with invocation.ramalama() as ramalama, ExitStack() as stack:
        access = OcrAccess(
            servers=ramalama.embedder_access(on_event=progress.follow),
            find=ramalama.models.find,
            on_started=progress.clear,
        )
        yield stack.enter_context(OcrModel(wanted, access, known))
