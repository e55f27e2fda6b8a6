"""How much memory a server will find: that of the host, and of the accelerator's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.units import human_size
from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import SHARED_MEMORY, MemorySource
from ramalama_values import frozen

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions
    from ramalama_accel.values import Accelerator

# Below this share of the memory, nobody need look closer: a context of usual size and the work
# space of a large vocabulary add less than the rest.
_CLEARLY_FITS = 0.5


@frozen()
class MemoryCapacity:
    """The memory of a host, in bytes.

    Attributes:
        main: what a process could still use; None where the kernel does not tell.
        gpu: of all devices that the server will have, less what others use now where the kernel
            tells that; None where nobody tells what they have.
        exact: the kernel tells *gpu*; otherwise it is the most that such devices have.
    """

    main: int | None
    gpu: int | None = 0
    exact: bool = True

    @classmethod
    def of(
        cls, main: int | None, accelerator: Accelerator, options: ServeOptions | None = None
    ) -> MemoryCapacity:
        """Add what *accelerator* has of its own, as far as a server with *options* uses it.

        What does not fit on the devices, llama.cpp keeps in main memory; vLLM cannot, and gives
        every device an equal share, up to nine tenths of it.
        """
        if options is not None and _on_cpu(accelerator, options):
            return cls(main=main)
        vllm = options is not None and options.runtime is RuntimeName.VLLM
        own = [gpu.memory for gpu in accelerator.gpus if gpu.memory != SHARED_MEMORY]
        known = [memory for memory in own if memory is not None]
        if len(known) < len(own):
            return cls(main=0 if vllm else main, gpu=None)
        amounts = [memory.total if memory.free is None else memory.free for memory in known]
        return cls(
            main=0 if vllm and own else main,
            gpu=min(amounts, default=0) * len(amounts) * 9 // 10 if vllm else sum(amounts),
            exact=all(memory.source is MemorySource.KERNEL for memory in known),
        )

    @property
    def total(self) -> int | None:
        """All of it; None if that cannot be told."""
        return None if self.main is None or self.gpu is None else self.main + self.gpu

    def certainly_fits(self, weights: int) -> bool:
        """Whether so many bytes of weights fit without any doubt."""
        return self.total is None or weights < self.total * _CLEARLY_FITS

    def __str__(self) -> str:
        main = f"{human_size(self.main or 0)} of memory are free"
        if not self.gpu:
            return main
        gpu = f"the GPU has {'' if self.exact else 'at most '}{human_size(self.gpu)}"
        return f"{main}, and {gpu}" if self.main else gpu


def _on_cpu(accelerator: Accelerator, options: ServeOptions) -> bool:
    """Whether the server will leave the accelerator alone."""
    if options.devices == ():
        return True
    if options.runtime is RuntimeName.LLAMA_CPP:
        return options.ngl == 0
    from ramalama_accel.images import VLLM_IMAGES  # noqa: PLC0415 (most starts do without)

    return accelerator.kind not in VLLM_IMAGES
