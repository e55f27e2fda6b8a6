"""For every test: failures inside the shared suites show their values; what is left out is said."""

import pytest

pytest.register_assert_rewrite(
    "tests.contract.containers",
    "tests.contract.engine_contract",
    "tests.contract.sandbox_contract",
)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name what a plain run leaves out, and does not count as skipped."""
    left_out = config.getoption("markexpr") == "not heavy"
    return "left out: the heavy tests, which `pytest -m heavy` runs" if left_out else None
