"""Every message survives the wire unchanged; what does not follow the contract is refused politely."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from postroom.envelope import JSON, PREFIX, RFC822, Envelope, Wire, decode, encode, envelop
from postroom.errors import Undecodable
from postroom.messages import MESSAGES, MailboxFind, MailDenied, MailReceived, Message, derive_id, mail_id
from tests.contract.messages.strategies import envelopes, of_model

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
FIND = envelop(
    MailboxFind(account="ops", folder="Sent", message_id="<1@example.com>"),
    source="postroom/test",
    now=NOW,
    message_id="find-1",
)
MAIL = envelop(
    MailReceived(
        account="ops",
        folder="INBOX",
        uidvalidity=1,
        uid=2,
        size_bytes=3,
        sha256="0" * 64,
        arrived_at=NOW,
        lane="inbox",
        content=b"\xff\x00\r\n",
    ),
    source="postroom/test",
    now=NOW,
    message_id="mail-1",
)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=50),
    st.text(max_size=50),
    st.datetimes(),
    st.decimals(),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    st.lists(st.integers(), max_size=3),
)


def with_attributes(envelope: Envelope[Any], **changed: object) -> Wire:
    """The envelope's wire form with other attributes; None takes one away."""
    wire = encode(envelope)
    headers = {**wire.headers, **{PREFIX + name: value for name, value in changed.items()}}
    return replace(wire, headers={name: value for name, value in headers.items() if value is not None})


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_off_the_wire_as_it_went_on(name: str) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(envelopes(MESSAGES[name]))
    def check(envelope: Envelope[Message]) -> None:
        wire = encode(envelope)
        assert decode(wire) == envelope
        assert all(isinstance(value, str | int | bool) for value in wire.headers.values())
        assert wire.message_id == envelope.id
        assert encode(decode(wire)) == wire

    check()


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_cannot_be_changed_nor_have_a_field_more(name: str) -> None:
    @settings(max_examples=1, deadline=None, database=None)
    @given(of_model(MESSAGES[name]))
    def check(message: Message) -> None:
        field = next(iter(type(message).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(message, field, getattr(message, field))
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            type(message).model_validate({**dict(message), "surprise": 1})

    check()


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_another_version_is_refused(name: str) -> None:
    wire = with_attributes(FIND, type=f"postroom.{name}.v2")
    with pytest.raises(Undecodable, match=r"only version 1 is understood"):
        decode(wire)


def test_a_mail_without_a_role_is_of_the_inbox() -> None:
    assert decode(with_attributes(MAIL, role=None)) == MAIL
    assert MAIL.message.role == "inbox"


def test_a_mail_of_an_unknown_role_is_refused() -> None:
    with pytest.raises(Undecodable, match=r"mail\.received: role: Input should be 'inbox' or 'sent'"):
        decode(with_attributes(MAIL, role="drafts"))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"specversion": None}, "specversion is None: only CloudEvents 1.0 is understood"),
        ({"specversion": "0.3"}, "specversion is '0.3': only CloudEvents 1.0 is understood"),
        ({"type": None}, "attribute 'type' is missing or no text"),
        ({"type": b"postroom.mailbox.find.v1"}, "attribute 'type' is missing or no text"),
        ({"type": "postroom.mailbox.dance.v1"}, "type 'postroom.mailbox.dance.v1' is unknown"),
        ({"type": "com.example.thing"}, "type 'com.example.thing' is unknown"),
        (
            {"type": "postroom.mailbox.find.v" + "9" * 50},
            f"type 'postroom.mailbox.find.v{'9' * 50}' is unknown",
        ),
        (
            {"type": "postroom.mailbox.find.v0"},
            "type 'postroom.mailbox.find.v0': only version 1 is understood",
        ),
        ({"id": None}, "attribute 'id' is missing or no text"),
        ({"id": ""}, "attribute 'id' is missing or no text"),
        ({"id": 7}, "attribute 'id' is missing or no text"),
        (
            {"id": "a\x00b"},
            "attribute 'id' is 'a\\x00b': at most 200 characters and no control characters are allowed",
        ),
        ({"source": {}}, "attribute 'source' is missing or no text"),
        ({"time": "yesterday"}, "time 'yesterday' is no RFC 3339 timestamp"),
        ({"time": "2026-01-31T12:00:00"}, "time '2026-01-31T12:00:00' has no offset"),
        (
            {"time": "0001-01-01T00:00:00+23:00"},
            "time '0001-01-01T00:00:00+23:00' is no RFC 3339 timestamp",
        ),
        ({"correlationid": 5}, "attribute 'correlationid' is missing or no text"),
        ({"causationid": b"x"}, "attribute 'causationid' is missing or no text"),
        ({"traceparent": ["x"]}, "attribute 'traceparent' is missing or no text"),
    ],
)
def test_wrong_attributes_are_refused_by_name(changed: dict[str, object], sentence: str) -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(with_attributes(FIND, **changed))
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("body", "beginning"),
    [
        (b"", "mailbox.find: the message: Invalid JSON"),
        (b"{", "mailbox.find: the message: Invalid JSON"),
        (b"\xff\xfe", "mailbox.find: the message: Invalid JSON"),
        (b"[]", "mailbox.find: the message: Input should be an object"),
        (b"[" * 100_000, "mailbox.find: the message: Invalid JSON"),
        (b"{}", "mailbox.find: account: Field required; message_id: Field required"),
        (b'{"account":"ops","folder":"x","message_id":"y","z":1}', "mailbox.find: z: Extra inputs are not"),
        (b'{"account":"ops","folder":"a\\nb","message_id":"y"}', "mailbox.find: folder: must be one line"),
        (b'{"account":"Ops","folder":"x","message_id":"y"}', "mailbox.find: account: String should match"),
        (b'{"account":"ops","folder":"x","message_id":"\\ud800"}', "mailbox.find: the message: Invalid JSON"),
    ],
)
def test_a_wrong_body_is_refused_with_the_field(body: bytes, beginning: str) -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(replace(encode(FIND), body=body))
    assert str(refusal.value).startswith(beginning)


@pytest.mark.parametrize(
    ("envelope", "content_type", "sentence"),
    [
        (FIND, "text/plain", f"content type is 'text/plain': mailbox.find must be {JSON}"),
        (FIND, "", f"content type is '': mailbox.find must be {JSON}"),
        (MAIL, JSON, f"content type is '{JSON}': mail.received must be {RFC822}"),
    ],
)
def test_a_wrong_content_type_is_refused(envelope: Envelope[Any], content_type: str, sentence: str) -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(replace(encode(envelope), content_type=content_type))
    assert str(refusal.value) == sentence


def test_parameters_and_case_of_the_content_type_do_not_matter() -> None:
    wire = replace(encode(FIND), content_type="Application/JSON; charset=utf-8")
    assert decode(wire) == FIND


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"uid": None}, "mail.received: uid: Field required"),
        ({"uid": "x"}, "mail.received: uid: Input should be a valid integer, unable to parse string as"),
        ({"uid": 0}, "mail.received: uid: Input should be greater than or equal to 1"),
        ({"lane": "fast"}, "mail.received: lane: Input should be 'replies' or 'inbox'"),
        ({"arrivedat": "2026-01-31"}, "mail.received: arrived_at: Input should have timezone info"),
        (
            {"arrivedat": "0001-01-01T00:00:00+23:00"},
            "mail.received: arrived_at: must be a time in the years 1970 to 9998",
        ),
    ],
)
def test_a_wrong_field_of_a_mail_is_refused_by_name(changed: dict[str, object], sentence: str) -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(with_attributes(MAIL, **changed))
    assert str(refusal.value).startswith(sentence)


def test_a_refusal_is_short_however_much_is_wrong() -> None:
    body = json.dumps({"surprise" * 1000 + str(number): "x" * 1000 for number in range(1000)}).encode()
    with pytest.raises(Undecodable, match=r"and 997 more faults") as refusal:
        decode(replace(encode(FIND), body=body))
    assert len(str(refusal.value)) < 2500
    with pytest.raises(Undecodable) as refusal:
        decode(with_attributes(FIND, type="x" * 1_000_000))
    assert len(str(refusal.value)) < 2500


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                PREFIX + name
                for name in ("specversion", "id", "type", "source", "time", "uid", "lane", "dataref")
            ]
        ),
        JUNK,
    ),
    st.binary(max_size=100),
    st.sampled_from([JSON, RFC822, "", "x/y"]),
    st.sampled_from([FIND, MAIL]),
)
def test_junk_on_the_wire_is_decoded_or_refused_and_nothing_else(
    headers: dict[str, Any], body: bytes, content_type: str, envelope: Envelope[Any]
) -> None:
    valid = encode(envelope)
    for wire in (
        Wire("x", headers, body, content_type),
        replace(valid, headers={**valid.headers, **headers}),
        replace(valid, body=body),
    ):
        try:
            decode(wire)
        except Undecodable as refusal:
            assert str(refusal)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(MESSAGES)), st.recursive(JUNK, lambda inner: st.lists(inner, max_size=3)))
def test_junk_in_a_body_is_refused(name: str, junk: object) -> None:
    body = json.dumps({field: junk for field in MESSAGES[name].model_fields}, default=str).encode("utf-8")
    wire = replace(with_attributes(FIND, type=f"postroom.{name}.v1"), body=body)
    try:
        decode(wire)
    except Undecodable as refusal:
        assert str(refusal)


def test_times_are_kept_in_utc() -> None:
    cairo = timezone(timedelta(hours=2))
    wire = encode(replace(FIND, time=NOW.astimezone(cairo)))
    assert wire.headers[PREFIX + "time"] == "2026-01-31T12:00:00+00:00"
    assert decode(wire).time.tzinfo is UTC


def test_a_message_that_follows_inherits_correlation_and_trace() -> None:
    cause = replace(FIND, correlation_id="journey", traceparent="00-1-2-3")
    follower = envelop(FIND.message, source="x", now=NOW, cause=cause)
    assert (follower.correlation_id, follower.causation_id) == ("journey", "find-1")
    assert follower.traceparent == "00-1-2-3"


def test_what_a_mail_server_says_is_made_harmless_in_an_event() -> None:
    event = MailDenied(
        account="ops",
        mail_id="1",
        sha256="0" * 64,
        sender="a\x00\ud800@b",
        reason="no\r\nway\x1b" + "x" * 9999,
    )
    assert event.sender == "a ?@b"
    assert event.reason.startswith("no way xx")
    assert len(event.reason) == 2000
    event.model_dump_json()


@given(st.text(max_size=20), st.lists(st.one_of(st.text(max_size=9), st.integers()), max_size=4))
def test_derived_ids_depend_on_cause_and_parts_and_on_nothing_else(
    cause: str, parts: list[str | int]
) -> None:
    assert derive_id(cause, *parts) == derive_id(cause, *parts)
    assert derive_id(cause, *parts) != derive_id(cause, *parts, "more")
    assert derive_id(cause, *parts) != derive_id(f"{cause}.", *parts)


def test_derived_ids_are_the_same_for_ever() -> None:
    assert derive_id("cause", "part", 1) == "ff1dc237-8fe1-5348-a76f-819fea680061"
    assert mail_id("ops", "INBOX", 1, 2) == "3a3ff98b-3e29-5c37-838b-c32a5b120b43"
