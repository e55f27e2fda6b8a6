"""The memory that a server can use: the host's, and the accelerator's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.units import human_size
from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import SHARED_MEMORY, MemorySource
from ramalama_values import frozen

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions
    from ramalama_accel.values import Accelerator

# Weights below this share of the memory fit without a closer look: a context of usual size and the
# buffers for a large vocabulary need less than the rest.
_CLEARLY_FITS = 0.5


@frozen()
class MemoryCapacity:
    """The memory of a host, in bytes.

    Attributes:
        main: main memory that a process can still use; None if the kernel does not report it.
        gpu: memory of all devices of the server. If the kernel reports it, the memory that other
            processes use now is subtracted. None if the memory of a device is unknown.
        exact: whether the kernel reports *gpu*; if not, *gpu* is the most that such devices have.
    """

    main: int | None
    gpu: int | None = 0
    exact: bool = True

    @classmethod
    def of(
        cls, main: int | None, accelerator: Accelerator, options: ServeOptions | None = None
    ) -> MemoryCapacity:
        """Return the capacity for a server with *options*: main memory and that of *accelerator*.

        llama.cpp keeps in main memory what does not fit on the devices. vLLM cannot do that: it
        uses an equal amount of each device's memory, at most nine tenths of it.
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
        """Main and GPU memory together, in bytes; None if one of them is unknown."""
        return None if self.main is None or self.gpu is None else self.main + self.gpu

    def certainly_fits(self, weights: int) -> bool:
        """Return whether *weights* bytes fit for sure; also true if the capacity is unknown."""
        return self.total is None or weights < self.total * _CLEARLY_FITS

    def __str__(self) -> str:
        main = f"{human_size(self.main or 0)} of memory are free"
        if not self.gpu:
            return main
        gpu = f"the GPU has {'' if self.exact else 'at most '}{human_size(self.gpu)}"
        return f"{main}, and {gpu}" if self.main else gpu


def _on_cpu(accelerator: Accelerator, options: ServeOptions) -> bool:
    """Return whether a server with *options* will not use the accelerator."""
    if options.devices == ():
        return True
    if options.runtime is RuntimeName.LLAMA_CPP:
        return options.ngl == 0
    from ramalama_accel.images import VLLM_IMAGES  # noqa: PLC0415 (only for vLLM)

    return accelerator.kind not in VLLM_IMAGES
