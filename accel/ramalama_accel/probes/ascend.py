"""Find Huawei Ascend NPUs (CANN).

Source: the `docker run` lines in the documentation of Ascend and of vllm-ascend: one /dev/davinciN
for each chip, three control nodes, and the host's driver mounted into the container.
"""

from collections.abc import Mapping

from ramalama_accel.hardware import Hardware
from ramalama_accel.host import Host
from ramalama_accel.permissions import find_obstacle, groups_for
from ramalama_accel.values import Accelerator, AcceleratorKind, Finding, Gpu, Memory, ProbeResult
from ramalama_accel.visible import VisibleDevices
from ramalama_values.text import printable

VENDOR_ID = "19e5"
LIBRARY_PATHS = (
    "/usr/local/Ascend/driver/lib64",
    "/usr/local/Ascend/driver/version.info",
    "/usr/local/dcmi",
    "/etc/ascend_install.info",
)
VERSION_FILE = "/usr/local/Ascend/driver/version.info"

_KIND = AcceleratorKind.ASCEND
# The driver's own installer distinguishes the chips by these IDs.
_CHIPS: Mapping[str, str] = {
    "d100": "Ascend 310",
    "d500": "Ascend 310P",
    "d801": "Ascend 910",
    "d802": "Ascend 910B",
    "d803": "Ascend 910C",
}
# The largest memory of a chip, in GiB. Source: Huawei's white papers on Atlas 300I Duo (two chips
# have 96 GB), Atlas 300T and Atlas 800T A2.
_GIB: Mapping[str, int] = {"d500": 48, "d801": 32, "d802": 64}
_CONTROL_NODES = ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc")
_VERSION_KEYS = ("package_version=", "Version=")
_DRIVER_REMEDY = "install the Ascend HDK driver and firmware, then restart"


def find_ascend(host: Host, hardware: Hardware, wanted: VisibleDevices) -> ProbeResult:
    """Find Ascend NPUs.

    Raises:
        InvalidVisibleDevices: *wanted* names an NPU that does not exist.
    """
    chips = [card for card in hardware.of_vendor(VENDOR_ID) if card.device_id in _CHIPS]
    models = {card.device_id for card in chips}
    model = models.pop() if len(models) == 1 else None
    gpus = [_npu(number, model) for number in host.numbers("/dev", "davinci")]
    if not gpus:
        missing = f"{len(chips)} Ascend NPU(s): the driver has created no /dev/davinci node"
        return ProbeResult(findings=(_unusable(missing),) if chips else ())
    chosen = wanted.select(gpus)
    paths = (*(node for npu in chosen for node in npu.nodes), *_CONTROL_NODES)
    label = f"{len(chosen)} x {chosen[0].name or 'Ascend NPU'}"
    obstacle = find_obstacle(host, _KIND, label, paths)
    if obstacle:
        return ProbeResult(findings=(obstacle,))
    version = _driver_version(host)
    accelerator = Accelerator(
        kind=_KIND,
        gpus=chosen,
        device_paths=paths,
        library_paths=tuple(path for path in LIBRARY_PATHS if host.exists(path)),
        groups=groups_for(host, paths),
        driver_version=version,
        reason=f"{label}, driver {version}" if version else label,
    )
    return ProbeResult.of(accelerator)


def _npu(number: int, model: str | None) -> Gpu:
    gib = _GIB.get(model or "")
    # No file links a davinci number to a PCI address.
    return Gpu(
        index=number,
        name=_CHIPS[model] if model else None,
        vendor_id=VENDOR_ID,
        device_id=model,
        memory=Memory.of_model(gib) if gib else None,
        nodes=(f"/dev/davinci{number}",),
    )


def _driver_version(host: Host) -> str | None:
    lines = (host.read(VERSION_FILE) or "").splitlines()
    for key in _VERSION_KEYS:
        for line in lines:
            if line.startswith(key):
                return printable(line.removeprefix(key).strip()) or None
    return None


def _unusable(message: str) -> Finding:
    return Finding(kind=_KIND, usable=False, message=message, remedy=_DRIVER_REMEDY)
