import pytest

from ramalama_chat import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("10s", 10),
        ("5m", 300),
        ("10m", 600),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("1w", 604_800),
        ("1w1d1h1m1s", 694_861),
        (" 5m\n", 300),
        ("0h5m", 300),
    ],
)
def test_a_duration_is_seconds_or_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "m",
        "5x",
        "5 m",
        "-5m",
        "+5",
        "1.5h",
        "5M",
        "30m1h",
        "1h1h",
        "1h30",
        "\u0665m",
        "\u0665",
        "²",
        "inf",
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "0m", "11000d", "999999999w"])
def test_no_time_and_more_than_a_decade_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most ten years"):
        parse_duration(text)
