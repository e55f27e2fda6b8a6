"""The result of detection: the accelerator, its cards, and why it was chosen."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ramalama_values import frozen


class AcceleratorKind(StrEnum):
    """A family of accelerators that use the same image."""

    CUDA = "cuda"
    HIP = "hip"
    ASAHI = "asahi"
    INTEL = "intel"
    ASCEND = "ascend"
    MUSA = "musa"
    VULKAN = "vulkan"
    APPLE = "apple"
    CPU = "cpu"


class MemorySource(StrEnum):
    """Where the size of a card's memory is known from.

    The size of the PCI BAR is not a source: drivers make it as large as the address space allows
    (NVIDIA's tries ever smaller ones), so it does not bound the memory.
    """

    KERNEL = "kernel"
    MODEL = "model"
    """The largest size that is sold under the model's name; less of it is usable."""
    SHARED = "shared"
    """The card uses the host's memory."""


class InvalidVisibleDevices(ValueError):
    """A ``*_VISIBLE_DEVICES`` variable is not valid, or cannot be met on this host."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(message)
        self.variable = variable


@frozen()
class Memory:
    """A card's own memory in bytes; *total* is 0 if the card uses the host's memory.

    *free* is the part that is not in use now; None if the kernel does not report it.
    """

    total: int
    source: MemorySource
    free: int | None = None

    @classmethod
    def of_model(cls, gib: int) -> "Memory":
        """Return the memory of a model; 0 GiB stands for a card that uses the host's memory."""
        return cls(total=gib << 30, source=MemorySource.MODEL) if gib else SHARED_MEMORY


SHARED_MEMORY = Memory(total=0, source=MemorySource.SHARED)


@frozen()
class Gpu:
    """One card, or one chip of a card that has several.

    Attributes:
        index: its number in a ``*_VISIBLE_DEVICES`` list; cards are counted in PCI order.
        name: None if the kernel does not report it.
        uuid: ``GPU-…`` as the vendor's tools print it.
        vendor_id: four hexadecimal digits, as lspci(8) `-nn` prints them.
        architecture: ``gfx1100``, ``sm_87``, ``bmg`` …; None if the kernel does not report it.
        memory: None if it is not known; for a card that is divided into MIG devices, all of it.
        nodes: its device nodes.
        partitions: CDI names (the part after ``=``) of its MIG devices.
    """

    index: int
    name: str | None = None
    uuid: str | None = None
    vendor_id: str | None = None
    device_id: str | None = None
    architecture: str | None = None
    memory: Memory | None = None
    nodes: tuple[str, ...] = ()
    pci_address: str | None = None
    partitions: tuple[str, ...] = ()


@frozen()
class Accelerator:
    """The devices, files and variables that a container needs to compute on this host.

    Attributes:
        gpus: the cards that it will see.
        cdi_devices: CDI names for the engine; they include nodes and libraries.
        device_paths: device nodes to pass to the container where CDI does not do it.
        library_paths: files and directories to mount read-only at the same path (vendor drivers).
        groups: IDs of groups that may open the nodes, for a process that is not root.
        oci_runtime: the OCI runtime that injects the cards, instead of CDI.
        env: variables that the container's environment must have.
        reason: one sentence on why this accelerator was chosen.
    """

    kind: AcceleratorKind
    gpus: tuple[Gpu, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    device_paths: tuple[str, ...] = ()
    library_paths: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    oci_runtime: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    driver_version: str | None = None
    reason: str = ""


@frozen()
class Finding:
    """Something that detection found: *message* says what, *remedy* what the user can do."""

    kind: AcceleratorKind
    usable: bool
    message: str
    remedy: str = ""


@frozen()
class ProbeResult:
    """The result of a probe; empty if the host has no such card."""

    accelerator: Accelerator | None = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, accelerator: Accelerator, *before: Finding) -> "ProbeResult":
        """Return a result with *accelerator* as usable, and the findings *before* it."""
        good = Finding(kind=accelerator.kind, usable=True, message=accelerator.reason)
        return cls(accelerator=accelerator, findings=(*before, good))


@frozen()
class Detection:
    """The accelerator of a host, and the findings in the order of the probes.

    *invalid* is set if the user's ``*_VISIBLE_DEVICES`` cannot be met; *accelerator* is the CPU
    then.
    """

    accelerator: Accelerator
    findings: tuple[Finding, ...] = ()
    invalid: InvalidVisibleDevices | None = None

    def require(self) -> Accelerator:
        """Return the accelerator to use.

        Raises:
            InvalidVisibleDevices: the user requested devices that this host does not have.
        """
        if self.invalid is not None:
            raise self.invalid
        return self.accelerator
