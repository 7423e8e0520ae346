"""Secrets in what others say."""

from __future__ import annotations

import time

import pytest

from service.outgoing.hidden import hide

SECRET = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize("length", [1, 15, 16, 17, 30, 35])
def test_a_secret_that_breaks_off_is_looked_for_in_no_time(length: int) -> None:
    text = f"key={SECRET[:length]}! " * 20
    began = time.monotonic()
    assert hide(text, [SECRET]) == text
    assert time.monotonic() - began < 0.1


def test_the_longer_of_two_secrets_is_hidden_first() -> None:
    assert hide(f"{SECRET}x {SECRET}", [SECRET, f"{SECRET}x", ""]) == "*** ***"


@pytest.mark.parametrize("secret", ["\\\\\\", "&amp;", "%25%25", "a&b", "50%", '"'])
def test_a_secret_of_signs_that_are_escaped_is_found_as_it_is(secret: str) -> None:
    assert hide(f"x{secret}x", [secret]) == "x***x"
