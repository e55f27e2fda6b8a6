"""Read the user's ``*_VISIBLE_DEVICES``: which family to use, and which of its cards.

    VALUE := "" | "none" | "void" | "-1"        none of this family's cards
           | "all"                              every card of the family, and no other family
           | ITEM ("," ITEM)*                   these cards, and no other family
    ITEM  := INDEX | UUID | MIG | RANGE
    INDEX := a card's number, from 0
    UUID  := "GPU-" or "MIG-" and the beginning of an identifier
    MIG   := INDEX ":" INDEX                    a MIG device as nvidia-smi counts them
    RANGE := INDEX "-" INDEX                    (ASCEND_VISIBLE_DEVICES only)

An item -1 ends the list, as in CUDA (CUDA C++ Programming Guide, "CUDA Environment Variables").
AMD's cards may also be named in ROCR_VISIBLE_DEVICES, as AMD recommends (ROCm documentation, "GPU
isolation").
"""

import re
from collections.abc import Mapping, Sequence

from ramalama_accel.values import AcceleratorKind, Gpu, InvalidVisibleDevices
from ramalama_values import frozen

VARIABLES: Mapping[AcceleratorKind, str] = {
    AcceleratorKind.CUDA: "CUDA_VISIBLE_DEVICES",
    AcceleratorKind.HIP: "HIP_VISIBLE_DEVICES",
    AcceleratorKind.ASAHI: "ASAHI_VISIBLE_DEVICES",
    AcceleratorKind.INTEL: "INTEL_VISIBLE_DEVICES",
    AcceleratorKind.ASCEND: "ASCEND_VISIBLE_DEVICES",
    AcceleratorKind.MUSA: "MUSA_VISIBLE_DEVICES",
    AcceleratorKind.VULKAN: "GGML_VK_VISIBLE_DEVICES",
}

_ROCR = "ROCR_VISIBLE_DEVICES"
_NONE = ("none", "void")
# Compiled on first use (by re): most users set no such variable, and compiling takes time.
_ITEM = r"[0-9]{1,4}|[0-9]{1,4}:[0-9]{1,4}|(?:GPU|MIG)-[0-9A-Za-z/-]{1,80}"
_RANGE = r"([0-9]{1,4})-([0-9]{1,4})"
# Two variables that no vendor defines: users set them to 1 to mean "on".
_SWITCHES = (AcceleratorKind.ASAHI, AcceleratorKind.INTEL)


@frozen()
class VisibleDevices:
    """The value of one variable; *items* None means every card, and an empty tuple means none."""

    variable: str
    text: str | None = None
    items: tuple[str, ...] | None = None
    switch: bool = False

    @classmethod
    def parse(
        cls, kind: AcceleratorKind, text: str | None, *, variable: str = ""
    ) -> "VisibleDevices":
        """Parse the value of *variable* for *kind*; *text* None means that it is not set.

        Raises:
            InvalidVisibleDevices: *text* does not follow the grammar above, or names a card twice.
        """
        variable = variable or VARIABLES[kind]
        if text is None or text.strip() == "all":
            return cls(variable=variable, text=text)
        items: list[str] = []
        if text.strip() and text.strip() not in _NONE:
            words = [word.strip() for word in text.split(",")]
            end = words.index("-1") if "-1" in words else len(words)
            for word in words[:end]:
                items += _expand(word, kind, variable, text)
        if len(set(items)) != len(items):
            raise InvalidVisibleDevices(variable, f"{variable}={text!r} names a device twice")
        return cls(variable=variable, text=text, items=tuple(items), switch=kind in _SWITCHES)

    @property
    def is_asked_for(self) -> bool:
        """Whether the user wants cards of this family, and therefore of no other."""
        return self.text is not None and self.items != ()

    @property
    def is_hidden(self) -> bool:
        """Whether the user wants no card of this family."""
        return self.items == ()

    def select(self, gpus: Sequence[Gpu], *, items: Sequence[str] | None = None) -> tuple[Gpu, ...]:
        """Return those of *gpus* that *items* name, in that order; None means the whole list.

        Raises:
            InvalidVisibleDevices: one of them does not exist, or a short UUID matches several.
        """
        wanted = self.items if items is None else items
        if wanted is None or (self.switch and self.items == ("1",) and len(gpus) == 1):
            return tuple(gpus)
        return tuple(self._find(item, gpus) for item in wanted)

    def _find(self, item: str, gpus: Sequence[Gpu]) -> Gpu:
        if item.isdigit():
            found = [gpu for gpu in gpus if gpu.index == int(item)]
        else:
            found = [gpu for gpu in gpus if gpu.uuid and gpu.uuid.startswith(item)]
        if len(found) == 1:
            return found[0]
        available = [name for gpu in gpus for name in gpu.partitions or (str(gpu.index),)]
        message = f"{self.variable}={self.text!r}: {item} is not one of {', '.join(available)}"
        raise InvalidVisibleDevices(self.variable, message)


def variable_of(kind: AcceleratorKind, env: Mapping[str, str]) -> str:
    """Return the name of the variable in *env* that applies to *kind*; "" if there is none."""
    name = VARIABLES.get(kind, "")
    return _ROCR if kind is AcceleratorKind.HIP and name not in env and _ROCR in env else name


def read_visible_devices(env: Mapping[str, str]) -> dict[AcceleratorKind, VisibleDevices]:
    """Return the parsed value of every variable.

    Raises:
        InvalidVisibleDevices: one of them is not valid, or AMD's two variables differ.
    """
    hip = VARIABLES[AcceleratorKind.HIP]
    if hip in env and env.get(_ROCR, env[hip]) != env[hip]:
        # ROCm counts the cards of one variable among those of the other.
        raise InvalidVisibleDevices(hip, f"{hip} and {_ROCR} differ; set one of them")
    names = {kind: variable_of(kind, env) for kind in VARIABLES}
    return {
        kind: VisibleDevices.parse(kind, env.get(name), variable=name)
        for kind, name in names.items()
    }


def _expand(word: str, kind: AcceleratorKind, variable: str, text: str) -> list[str]:
    if re.fullmatch(_ITEM, word):
        return [word]
    ends = re.fullmatch(_RANGE, word) if kind is AcceleratorKind.ASCEND else None
    if ends and int(ends[1]) <= int(ends[2]):
        return [str(number) for number in range(int(ends[1]), int(ends[2]) + 1)]
    message = f"{variable}={text!r}: {word!r} is neither a device number nor a GPU-… or MIG-… name"
    raise InvalidVisibleDevices(variable, message)
