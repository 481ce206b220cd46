"""What a client refuses before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.client import Client, RequestRefused, build_request

GOOD: dict[str, Any] = {"account": "releases", "approvers": ["anna@example.com"], "subject": "Release?"}


def test_without_an_id_one_is_made() -> None:
    assert build_request(**GOOD).id != build_request(**GOOD).id


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        ({"approvers": []}, "approvers", "at least 1 item"),
        ({"approvers": ["anna"]}, "approvers.0", "not a mail address"),
        ({"approvers": ["anna@example.com", "ANNA@example.com"]}, "approvers", "listed twice"),
        ({"approvers": ["anna@example.com", "Anna+2@example.com"]}, "approvers", "one vote"),
        ({"delegates": {"anna@example.com": "anna+2@example.com"}}, "delegates", "one vote"),
        ({"escalate": {"after_s": 60, "to": ["anna+2@example.com"]}}, "escalate.to", "one vote"),
        ({"choices": ["yes"]}, "choices", "at least 2 items"),
        ({"choices": ["yes", "YES"]}, "choices", "listed twice"),
        ({"subject": ""}, "subject", "at least 1 character"),
        ({"subject": "a\r\nBcc: eve@example.com"}, "subject", "one line"),
        ({"id": "a b"}, "id", "match"),
        ({"account": "No Such"}, "account", "match"),
        ({"rule": "most"}, "rule", "any.*all"),
        ({"rule": 2}, "rule", "2 votes are needed, of 1"),
        ({"rule": 0}, "rule", "how many must agree"),
        ({"rule": "0"}, "rule", "how many must agree"),
        ({"comment_required": ["maybe"]}, "comment_required", "not one of the choices"),
        ({"remind_after_s": [1]}, "remind_after_s.0", "greater than or equal to 60"),
        ({"remind_after_s": [60], "remind_every_s": 60}, "remind_every_s", "not both"),
        ({"delegates": {"bert@example.com": "dora@example.com"}}, "delegates", "not one of the approvers"),
        ({"delegates": {"anna@example.com": "Anna@example.com"}}, "delegates", "listed twice"),
        ({"escalate": {"after_s": 60, "to": ["anna@example.com"]}}, "escalate.to", "listed twice"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(changed: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(RequestRefused, match=reason) as refused:
        build_request(**{**GOOD, **changed})
    assert refused.value.field == field


def test_a_client_has_a_name_that_goes_into_queue_names() -> None:
    with pytest.raises(RequestRefused, match="letters, digits"):
        Client("embedded:///nowhere", name="a b")
