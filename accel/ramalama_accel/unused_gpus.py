"""Find GPUs of this host that are not used although the user has not hidden them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_accel.values import AcceleratorKind
from ramalama_accel.visible import VARIABLES, variable_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama_accel.values import Detection, Finding

# Cards of these families are used through their own driver or not at all.
_WITHOUT_VULKAN = (AcceleratorKind.CUDA, AcceleratorKind.ASCEND, AcceleratorKind.MUSA)


def passed_over(detection: Detection, env: Mapping[str, str]) -> Iterator[Finding]:
    """Yield why a GPU is not used, unless the user's *env* hides it or another driver uses it.

    A card that only Vulkan could use is left out: it has a finding of its own family, or it is only
    a display.
    """
    chosen = detection.accelerator.kind
    for finding in detection.findings:
        served = finding.kind is chosen or (
            chosen is not AcceleratorKind.CPU and finding.kind not in _WITHOUT_VULKAN
        )
        hidden = variable_of(finding.kind, env) in env
        if not (finding.usable or served or hidden or finding.kind is AcceleratorKind.VULKAN):
            yield finding


def describe_passed_over(
    detection: Detection, env: Mapping[str, str], *, host: str = "this host"
) -> str | None:
    """Describe in a sentence why the first such GPU of *host* is not used; None if there is none.

    The remedy in it is for that host.
    """
    unused = tuple(passed_over(detection, env))
    if not unused:
        return None
    first, others = unused[0], f" (nor {len(unused) - 1} more)" if unused[1:] else ""
    return (
        f"a GPU of {host} is not used{others}: {first.message}; {first.remedy} "
        f"(set {VARIABLES[first.kind]} to an empty value to hide it)"
    )
