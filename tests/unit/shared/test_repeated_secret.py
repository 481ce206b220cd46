"""A server that repeats a secret in its refusal."""

from __future__ import annotations

import pytest

from postroom.credentials import without


@pytest.mark.parametrize(
    ("secret", "said", "hidden"),
    [
        ("hunter2!", "wrong password hunter2! for hunter2!", "wrong password … for …"),
        ("hunter2!", "wrong password", "wrong password"),
        ("pass", "no pass", "no …"),
        ("the", "the user is unknown", "the user is unknown"),
        ("", "no", "no"),
    ],
)
def test_a_secret_that_a_server_repeats_is_hidden_unless_it_is_part_of_ordinary_words(
    secret: str, said: str, hidden: str
) -> None:
    assert without(secret, said) == hidden
