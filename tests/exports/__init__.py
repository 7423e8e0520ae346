"""Exports. What holds a run to the truth says what is not true, as a test does."""

import pytest

pytest.register_assert_rewrite("tests.exports.truth", "tests.exports.lives")
