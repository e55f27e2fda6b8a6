"""For every test: failures inside the shared suites show their values."""

import pytest

pytest.register_assert_rewrite(
    "tests.contract.containers",
    "tests.contract.engine_contract",
    "tests.contract.sandbox_contract",
)
