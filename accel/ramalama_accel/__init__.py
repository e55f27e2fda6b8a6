"""Find the accelerator of this host from its files alone, and the image for it.

Importing this package loads almost nothing: a name's module is loaded when the name is first used.
"""

# Type checkers know this name; importing `typing` would take time that not every caller needs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ramalama_accel.detection import detect
    from ramalama_accel.host import DeviceNode, DeviceUser, Host
    from ramalama_accel.images import IMAGES, VLLM_BUILDS, VLLM_IMAGES, default_image, tagged
    from ramalama_accel.runtime_name import RuntimeName
    from ramalama_accel.values import (
        Accelerator,
        AcceleratorKind,
        Detection,
        Finding,
        Gpu,
        InvalidVisibleDevices,
        Memory,
        MemorySource,
    )
    from ramalama_accel.visible import VARIABLES

__all__ = [
    "IMAGES",
    "VARIABLES",
    "VLLM_BUILDS",
    "VLLM_IMAGES",
    "Accelerator",
    "AcceleratorKind",
    "Detection",
    "DeviceNode",
    "DeviceUser",
    "Finding",
    "Gpu",
    "Host",
    "InvalidVisibleDevices",
    "Memory",
    "MemorySource",
    "RuntimeName",
    "default_image",
    "detect",
    "tagged",
]

_BASE = "values"
_HOMES = {
    "DeviceNode": "host",
    "Host": "host",
    "IMAGES": "images",
    "RuntimeName": "runtime_name",
    "DeviceUser": "host",
    "VARIABLES": "visible",
    "VLLM_BUILDS": "images",
    "VLLM_IMAGES": "images",
    "default_image": "images",
    "detect": "detection",
    "tagged": "images",
}


if not TYPE_CHECKING:  # a checker that sees it takes every name for a public one

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used (PEP 562)."""
        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        from importlib import import_module  # noqa: PLC0415 (late, like what it imports)

        from ramalama_values.type_hints import make_resolvable  # noqa: PLC0415 (likewise)

        value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, _BASE)}"), name)
        make_resolvable(value)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
