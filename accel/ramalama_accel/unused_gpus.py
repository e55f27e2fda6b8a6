"""GPUs of this host that serve nothing, though nobody has hidden them: why, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_accel.values import AcceleratorKind
from ramalama_accel.visible import VARIABLES, variable_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama_accel.values import Detection, Finding

# Cards of these families serve by their own driver or not at all.
_WITHOUT_VULKAN = (AcceleratorKind.CUDA, AcceleratorKind.ASCEND, AcceleratorKind.MUSA)


def passed_over(detection: Detection, env: Mapping[str, str]) -> Iterator[Finding]:
    """Yield why a GPU is not used that the user's *env* does not hide, and nothing stands in for.

    A card that may serve by Vulkan alone is some other family's too, or a mere display.
    """
    chosen = detection.accelerator.kind
    for finding in detection.findings:
        served = finding.kind is chosen or (
            chosen is not AcceleratorKind.CPU and finding.kind not in _WITHOUT_VULKAN
        )
        hidden = variable_of(finding.kind, env) in env
        if not (finding.usable or served or hidden or finding.kind is AcceleratorKind.VULKAN):
            yield finding


def describe_passed_over(detection: Detection, env: Mapping[str, str]) -> str | None:
    """Say of the first such GPU in a sentence why it is not used; None where there is none."""
    unused = tuple(passed_over(detection, env))
    if not unused:
        return None
    first, others = unused[0], f" (nor {len(unused) - 1} more)" if unused[1:] else ""
    return (
        f"a GPU of this host is not used{others}: {first.message}; {first.remedy} "
        f"(an empty {VARIABLES[first.kind]} says that it shall not)"
    )
