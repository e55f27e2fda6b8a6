"""What a user may write into a *_VISIBLE_DEVICES variable."""

import pytest

from ramalama_accel import AcceleratorKind, Gpu, InvalidVisibleDevices
from ramalama_accel.visible import VisibleDevices, read_visible_devices

GPUS = (
    Gpu(index=0, uuid="GPU-aaaa-1"),
    Gpu(index=1, uuid="GPU-aaaa-2"),
    Gpu(index=2, uuid="GPU-bbbb-1"),
)
CUDA = AcceleratorKind.CUDA


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("all", None),
        ("", ()),
        ("-1", ()),
        ("none", ()),
        ("void", ()),
        ("0", ("0",)),
        (" 1, 0 ", ("1", "0")),
        ("0,2,-1,1", ("0", "2")),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",)),
        ("MIG-GPU-8932f937/1/0", ("MIG-GPU-8932f937/1/0",)),
        ("0:1", ("0:1",)),
    ],
)
def test_a_list_is_read_as_cuda_reads_it(text: str, items: tuple[str, ...] | None) -> None:
    assert VisibleDevices.parse(CUDA, text).items == items


def test_a_range_is_read_for_ascend_alone() -> None:
    assert VisibleDevices.parse(AcceleratorKind.ASCEND, "0-2,5").items == ("0", "1", "2", "5")
    with pytest.raises(InvalidVisibleDevices, match="'0-2'"):
        VisibleDevices.parse(CUDA, "0-2")


@pytest.mark.parametrize(
    "text",
    ["banana", "0,,1", "0;1", "-2", "0,0", "1.5", "٣", "99999", "GPU-", "0,x", "GPU-a b", "3-1"],
)
@pytest.mark.parametrize("kind", [CUDA, AcceleratorKind.ASCEND])
def test_nonsense_is_refused_by_the_variable_s_name(kind: AcceleratorKind, text: str) -> None:
    with pytest.raises(InvalidVisibleDevices, match="_VISIBLE_DEVICES='") as caught:
        VisibleDevices.parse(kind, text)

    assert caught.value.variable == f"{kind.upper()}_VISIBLE_DEVICES"


@pytest.mark.parametrize(
    ("text", "asked_for", "hidden"),
    [
        (None, False, False),
        ("", False, True),
        ("-1", False, True),
        ("0", True, False),
        ("all", True, False),
    ],
)
def test_a_variable_asks_hides_or_is_silent(
    *, text: str | None, asked_for: bool, hidden: bool
) -> None:
    visible = VisibleDevices.parse(CUDA, text)

    assert (visible.is_asked_for, visible.is_hidden) == (asked_for, hidden)


@pytest.mark.parametrize(
    ("text", "indices"),
    [(None, [0, 1, 2]), ("2,0", [2, 0]), ("GPU-b", [2]), ("GPU-aaaa-2", [1])],
)
def test_cards_are_selected_in_the_order_of_the_list(text: str | None, indices: list[int]) -> None:
    chosen = VisibleDevices.parse(CUDA, text).select(GPUS)

    assert [gpu.index for gpu in chosen] == indices


@pytest.mark.parametrize("text", ["3", "GPU-c", "GPU-aaaa", "0:1"])
def test_a_card_that_is_not_there_or_not_the_only_one_is_refused(text: str) -> None:
    with pytest.raises(InvalidVisibleDevices, match="is not one of 0, 1, 2"):
        VisibleDevices.parse(CUDA, text).select(GPUS)


def test_one_means_on_for_the_two_variables_that_are_switches() -> None:
    switch = VisibleDevices.parse(AcceleratorKind.INTEL, "1")

    assert switch.select(GPUS[:1]) == GPUS[:1]
    assert switch.select(GPUS) == (GPUS[1],)


def test_every_variable_is_read() -> None:
    said = read_visible_devices({"GGML_VK_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": ""})

    assert said[AcceleratorKind.VULKAN].items == ("1",)
    assert said[CUDA].is_hidden
    assert not said[AcceleratorKind.HIP].is_asked_for


@pytest.mark.parametrize(
    ("env", "variable", "items"),
    [
        ({"ROCR_VISIBLE_DEVICES": "1"}, "ROCR_VISIBLE_DEVICES", ("1",)),
        ({"ROCR_VISIBLE_DEVICES": ""}, "ROCR_VISIBLE_DEVICES", ()),
        (
            {"HIP_VISIBLE_DEVICES": "1", "ROCR_VISIBLE_DEVICES": "1"},
            "HIP_VISIBLE_DEVICES",
            ("1",),
        ),
        ({}, "HIP_VISIBLE_DEVICES", None),
    ],
)
def test_amd_s_cards_have_a_second_variable(
    env: dict[str, str], variable: str, items: tuple[str, ...] | None
) -> None:
    said = read_visible_devices(env)[AcceleratorKind.HIP]

    assert (said.variable, said.items) == (variable, items)


def test_two_variables_that_differ_are_refused() -> None:
    env = {"HIP_VISIBLE_DEVICES": "0", "ROCR_VISIBLE_DEVICES": "1,2"}

    with pytest.raises(InvalidVisibleDevices, match="ROCR_VISIBLE_DEVICES differ; set one of them"):
        read_visible_devices(env)


def test_nonsense_in_the_second_variable_is_told_by_its_name() -> None:
    with pytest.raises(InvalidVisibleDevices, match=r"^ROCR_VISIBLE_DEVICES='x': 'x' is neither"):
        read_visible_devices({"ROCR_VISIBLE_DEVICES": "x"})
