"""What this host computes with, from its files alone, and which image serves it."""

from ramalama_accel.base import (
    Accelerator,
    AcceleratorKind,
    Detection,
    Finding,
    Gpu,
    InvalidVisibleDevices,
)
from ramalama_accel.detect import detect
from ramalama_accel.host import DeviceNode, Host, User
from ramalama_accel.images import IMAGES, default_image
from ramalama_accel.visible import VARIABLES

__all__ = [
    "IMAGES",
    "VARIABLES",
    "Accelerator",
    "AcceleratorKind",
    "Detection",
    "DeviceNode",
    "Finding",
    "Gpu",
    "Host",
    "InvalidVisibleDevices",
    "User",
    "default_image",
    "detect",
]
