"""What this host computes with, from its files alone, and which image serves it."""

from ramalama_accel.base import (
    Accelerator,
    AcceleratorKind,
    Detection,
    Finding,
    Gpu,
    InvalidVisibleDevices,
    RuntimeName,
)
from ramalama_accel.detect import detect
from ramalama_accel.host import DeviceNode, Host, User
from ramalama_accel.images import IMAGES, VLLM_IMAGES, default_image, tagged
from ramalama_accel.visible import VARIABLES

__all__ = [
    "IMAGES",
    "VARIABLES",
    "VLLM_IMAGES",
    "Accelerator",
    "AcceleratorKind",
    "Detection",
    "DeviceNode",
    "Finding",
    "Gpu",
    "Host",
    "InvalidVisibleDevices",
    "RuntimeName",
    "User",
    "default_image",
    "detect",
    "tagged",
]
