"""How much memory an Intel GPU has of its own, by its driver and its ID."""

from pathlib import Path

import pytest

from ramalama_accel import Host, Memory, MemorySource
from ramalama_accel.hardware import PciDevice
from ramalama_accel.probes.intel import read_memory
from ramalama_accel.values import SHARED_MEMORY

_GIB = 1 << 30
_PLACE = "0000:03:00.0"


def told(root: Path, device_id: str, driver: str | None, tiles: tuple[str, ...] = ()) -> object:
    for number, text in enumerate(tiles):
        tile = root / f"sys/bus/pci/devices/{_PLACE}/tile{number}"
        tile.mkdir(parents=True)
        (tile / "physical_vram_size_bytes").write_text(text)
    card = PciDevice(address=_PLACE, vendor_id="8086", device_id=device_id, driver=driver)
    return read_memory(Host(root=root), card)


@pytest.mark.parametrize(
    ("device_id", "driver", "gib"),
    [
        ("56a0", "i915", 16),  # Arc A770
        ("56a1", "xe", 8),  # Arc A750, and a kernel without the file
        ("56c1", "i915", 6),  # Flex 140
        ("0bd5", "i915", 128),  # Max 1550
    ],
)
def test_where_the_driver_does_not_tell_the_model_does(
    tmp_path: Path, device_id: str, driver: str, gib: int
) -> None:
    assert told(tmp_path, device_id, driver) == Memory.of_model(gib)


@pytest.mark.parametrize(
    ("device_id", "tiles", "total"),
    [
        ("e20b", (f"{12 * _GIB}\n",), 12 * _GIB),
        ("0bd5", (f"{64 * _GIB}\n", f"{64 * _GIB}\n"), 128 * _GIB),
        ("56a0", (f"{8 * _GIB}\n",), 8 * _GIB),  # the other one of that ID
    ],
)
def test_the_driver_xe_tells_of_each_tile(
    tmp_path: Path, device_id: str, tiles: tuple[str, ...], total: int
) -> None:
    expected = Memory(total=total, source=MemorySource.KERNEL)

    assert told(tmp_path, device_id, "xe", tiles) == expected


@pytest.mark.parametrize(
    ("device_id", "driver"),
    [("a7a1", "i915"), ("64a0", "xe"), ("64a0", None), ("5916", "i915")],
)
def test_an_integrated_gpu_computes_in_the_host_s_memory(
    tmp_path: Path, device_id: str, driver: str | None
) -> None:
    assert told(tmp_path, device_id, driver) == SHARED_MEMORY


@pytest.mark.parametrize(
    ("device_id", "driver", "tiles"),
    [("e20b", "xe", ()), ("e20b", "xe", ("many\n",)), ("ffff", "xe", ()), ("ffff", None, ())],
)
def test_the_memory_of_other_cards_is_unknown(
    tmp_path: Path, device_id: str, driver: str | None, tiles: tuple[str, ...]
) -> None:
    assert told(tmp_path, device_id, driver, tiles) is None
