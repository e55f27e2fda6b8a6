"""What detection says: the accelerator, its cards, and why it was chosen or passed over."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ramalama_values import frozen


class AcceleratorKind(StrEnum):
    """A family of accelerators that one image serves."""

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
    """Who says how much memory a card has.

    Of the BAR that maps it, drivers take as much as the address space allows (NVIDIA's tries ever
    smaller ones): its size is no bound, so nobody is asked about that.
    """

    KERNEL = "kernel"
    MODEL = "model"
    """What its maker sells at most under its name; less of it is usable."""
    SHARED = "shared"
    """It computes in the host's memory."""


class InvalidVisibleDevices(ValueError):
    """A ``*_VISIBLE_DEVICES`` variable makes no sense, or not on this host."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(message)
        self.variable = variable


@frozen()
class Memory:
    """What a card has of its own, in bytes: none where it computes in the host's memory.

    *free* is what nobody uses now; None where the kernel does not tell.
    """

    total: int
    source: MemorySource
    free: int | None = None

    @classmethod
    def of_model(cls, gib: int) -> "Memory":
        """Return what cards of a model have; 0 GiB for one that computes in the host's memory."""
        return cls(total=gib << 30, source=MemorySource.MODEL) if gib else SHARED_MEMORY


SHARED_MEMORY = Memory(total=0, source=MemorySource.SHARED)


@frozen()
class Gpu:
    """One card, or one chip of a card.

    Attributes:
        index: what a ``*_VISIBLE_DEVICES`` list calls it; cards are counted in PCI order.
        name: None where the kernel does not tell.
        uuid: ``GPU-…`` as the vendor's tools print it.
        vendor_id: four hexadecimal digits, as lspci(8) `-nn` prints them.
        architecture: ``gfx1100``, ``sm_87``, ``bmg`` …; None where the kernel does not tell.
        memory: None where nobody tells; of a card that is cut into MIG devices, all of it.
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
    """What a container needs in order to compute on this host.

    Attributes:
        gpus: the cards that it will see.
        cdi_devices: CDI names to ask the engine for; they bring nodes and libraries by themselves.
        device_paths: device nodes to map where CDI does not do it.
        library_paths: files and directories to mount read-only at the same path (vendor drivers).
        groups: group IDs that open the nodes to a process that is not root.
        oci_runtime: the OCI runtime that injects the cards, instead of CDI.
        env: what the container's environment must have.
        reason: one sentence: why this one.
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
    """Something that was seen on the way: *message* says what, *remedy* what the user can do."""

    kind: AcceleratorKind
    usable: bool
    message: str
    remedy: str = ""


@frozen()
class ProbeResult:
    """A probe's answer; empty where the host has no such card at all."""

    accelerator: Accelerator | None = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, accelerator: Accelerator, *before: Finding) -> "ProbeResult":
        """Return the answer that *accelerator* is usable, after what was found *before* it."""
        good = Finding(kind=accelerator.kind, usable=True, message=accelerator.reason)
        return cls(accelerator=accelerator, findings=(*before, good))


@frozen()
class Detection:
    """The accelerator of a host, and what was found on the way, in the order of the probes.

    *invalid* is set where the user's own ``*_VISIBLE_DEVICES`` cannot be met; *accelerator* is the
    CPU then.
    """

    accelerator: Accelerator
    findings: tuple[Finding, ...] = ()
    invalid: InvalidVisibleDevices | None = None

    def require(self) -> Accelerator:
        """Return the accelerator to launch with.

        Raises:
            InvalidVisibleDevices: the user asked for devices that this host cannot give.
        """
        if self.invalid is not None:
            raise self.invalid
        return self.accelerator
