"""The parts of an error, and the one line that they make."""

from __future__ import annotations

import copy
import pickle

import pytest

from ramalama.errors import EngineFailure, UnknownModel
from ramalama_engines.errors import EngineUnavailable, UnsupportedOption
from ramalama_values.errors import RamalamaError


@pytest.mark.parametrize(
    ("error", "line", "message", "hint", "code"),
    [
        (RamalamaError("it broke"), "it broke", "it broke", None, 1),
        (
            UnknownModel("no such model", hint="did you mean x?", alternatives=("x",)),
            "no such model; did you mean x?",
            "no such model",
            "did you mean x?",
            22,
        ),
        (
            EngineFailure(EngineUnavailable("it is gone", hint="start it", engine="podman")),
            "it is gone; start it",
            "it is gone",
            "start it",
            125,
        ),
        (EngineFailure(UnsupportedOption("not here")), "not here", "not here", None, 38),
    ],
)
def test_an_error_has_parts_and_is_one_line_of_them(
    error: RamalamaError, line: str, message: str, hint: str | None, code: int
) -> None:
    assert str(error) == line
    assert (error.message, error.hint, error.exit_code) == (message, hint, code)


def test_an_error_that_was_copied_or_sent_elsewhere_has_its_parts() -> None:
    error = UnknownModel("no such model", hint="did you mean x?", alternatives=("x",))

    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 (our own)
        assert (str(other), vars(other)) == (str(error), vars(error))
