"""Reports of an upload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.events import UploadProgress
from ramalama.serving.sides.upload_meter import UploadMeter

if TYPE_CHECKING:
    from ramalama.events import Event


def test_an_upload_is_reported_at_most_ten_times_a_second_and_at_its_end() -> None:
    told: list[Event] = []
    meter = UploadMeter("model.gguf", 1000, told.append)

    for done in range(0, 1001, 10):
        meter.report(done)

    assert told[0] == UploadProgress("model.gguf", 0, 1000)
    assert told[-1] == UploadProgress("model.gguf", 1000, 1000)
    assert len(told) < 10
