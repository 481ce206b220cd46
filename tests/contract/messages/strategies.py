"""Hypothesis strategies for every message, read off the models' own annotations."""

from __future__ import annotations

from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le, MaxLen, MinLen
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from postroom import messages
from postroom.addresses import Address, fold_case
from postroom.envelope import Envelope
from postroom.messages import (
    AccountTest,
    ApprovalQuery,
    ApprovalRequest,
    AtLeast,
    Attachment,
    BulkRecipient,
    BulkSend,
    Escalation,
    MailReceived,
    MailSend,
    Message,
    PlainMail,
    TemplateMail,
    TestStage,
    WebhookTested,
)

LETTERS = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
LINES = st.text(LETTERS, min_size=1, max_size=80)
TEXTS = st.text(st.one_of(LETTERS, st.sampled_from("\n\t")), max_size=200)
# Without what begins an encoded word, which no address may hold.
LOCAL_PARTS = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-zA-Zäöü]{1,9})?", fullmatch=True).filter(
    lambda local: "=?" not in local
)
DOMAINS = st.sampled_from(["example.com", "müller.example", "sub.xn--mller-kva.example", "EXAMPLE.org"])
ADDRESSES = st.builds("{}@{}".format, LOCAL_PARTS, DOMAINS)
# The strategy wants its limits without an offset and puts UTC to what it draws.
MOMENTS = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001
    datetime(9998, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,60}", fullmatch=True)
BULK_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", fullmatch=True)
CHOICES = st.from_regex(r"[a-zäöüß][a-z0-9_-]{0,10}", fullmatch=True)

# Annotated aliases compare by what they are made of; some cannot be hashed, so this is a list.
KNOWN: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (messages.Line, LINES),
    (messages.ShortLine, st.one_of(st.just(""), LINES)),
    (messages.Text, TEXTS),
    (messages.Quoted, TEXTS),
    (messages.QuotedLine, LINES.map(lambda text: " ".join(text.split()))),
    (messages.UtcTime, MOMENTS),
    (messages.AccountName, st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)),
    (messages.ApprovalId, IDS),
    (messages.BulkId, BULK_IDS),
    (messages.Choice, CHOICES),
    (messages.Folder, LINES),
    (messages.EventName, st.one_of(st.just(""), LINES)),
    (messages.InboxId, st.binary(min_size=8, max_size=8).map(bytes.hex)),
    (messages.Sha256, st.binary(min_size=32, max_size=32).map(bytes.hex)),
    (messages.DenyPattern, ADDRESSES | DOMAINS),
    (Address, ADDRESSES),
]
SETTINGS = st.dictionaries(
    IDS, st.recursive(st.none() | st.booleans() | LINES, lambda each: st.lists(each, max_size=2)), max_size=3
)
VALUES = st.dictionaries(
    st.from_regex(r"[a-z]_[A-Za-z0-9_]{0,20}", fullmatch=True),
    st.none() | st.booleans() | LINES | st.lists(LINES),
)
# With what must fit each other: a mail about a request has no files, and only a template names an account.
FILES = st.lists(
    st.builds(
        Attachment,
        dataref=st.binary(min_size=32, max_size=32).map(lambda each: f"spool:sha256:{each.hex()}"),
        filename=st.from_regex(r"[a-zäß0-9]{1,20}\.pdf", fullmatch=True),
        media_type=st.sampled_from(["application/pdf", "text/plain"]),
    ),
    max_size=3,
).map(tuple)
PATTERNED: dict[tuple[type[BaseModel], str], st.SearchStrategy[Any]] = {
    (MailSend, "id"): IDS,
    (MailSend, "account"): st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    (MailSend, "attachments"): st.just(()),
    (MailSend, "cc"): st.just(()),
    (MailSend, "unsubscribe"): st.sampled_from([None, "https://example.com/u?id=1&x=%20"]),
    (TemplateMail, "template"): st.none() | st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    (TemplateMail, "values"): VALUES,
    (MailSend, "bulk_id"): st.just("") | BULK_IDS,
    (BulkRecipient, "values"): VALUES,
    (BulkSend, "template"): st.none() | st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    (BulkSend, "dataref"): st.none(),
    (BulkSend, "attachments"): FILES,
    (AccountTest, "candidate"): st.none() | SETTINGS,
    (TestStage, "duration_ms"): st.floats(0, 1e6),
    (WebhookTested, "duration_ms"): st.floats(0, 1e6),
    (ApprovalQuery, "reply_to"): IDS.map(lambda text: f"postroom.client.{text.replace(':', '-')}"),
    (ApprovalRequest, "approvers"): st.lists(ADDRESSES, min_size=1, max_size=5, unique_by=fold_case).map(
        tuple
    ),
    # What must fit the other fields of a request.
    (ApprovalRequest, "rule"): st.sampled_from(["any", "all", AtLeast(at_least=1)]),
    (ApprovalRequest, "comment_required"): st.just(()),
    (ApprovalRequest, "remind_every_s"): st.none(),
    (ApprovalRequest, "delegates"): st.just({}),
    (ApprovalRequest, "escalate"): st.none()
    | st.integers(60, 86_400).map(lambda after_s: Escalation(after_s=after_s, to=("boss@up.example",))),
    (ApprovalRequest, "choices"): st.lists(CHOICES, min_size=2, max_size=5, unique_by=str.casefold).map(
        tuple
    ),
}


def of_model(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Valid instances of a model."""
    hints = get_type_hints(model, include_extras=True)
    fields = {name: _of_field(model, name, hints[name]) for name in model.model_fields}
    if model is MailReceived:
        return st.one_of(
            st.builds(MailReceived, **{**fields, "content": st.binary(max_size=200), "dataref": st.none()}),
            st.builds(MailReceived, **{**fields, "content": st.none(), "dataref": LINES}),
        )
    if model is BulkSend:
        people = st.lists(of_model(BulkRecipient), min_size=1, max_size=3).map(tuple)
        return st.builds(model, **{**fields, "recipients": people})
    if model is MailSend:
        content = st.one_of(of_model(PlainMail), of_model(TemplateMail))
        return st.builds(model, **fields) | st.builds(
            model, **{**fields, "content": content, "attachments": FILES}
        )
    return st.builds(model, **fields)


def envelopes(model: type[Message]) -> st.SearchStrategy[Envelope[Message]]:
    """Valid envelopes around instances of a model."""
    return st.builds(
        Envelope,
        id=IDS,
        source=st.sampled_from(["postroom/fetcher", "//example.com/releases"]),
        time=MOMENTS,
        message=of_model(model),
        correlation_id=IDS,
        causation_id=st.one_of(st.none(), IDS),
        traceparent=st.sampled_from([None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]),
    )


def _of_field(model: type[BaseModel], name: str, hint: Any) -> st.SearchStrategy[Any]:
    patterned = PATTERNED.get((model, name))
    return _of(hint) if patterned is None else patterned


def _of(hint: Any) -> st.SearchStrategy[Any]:
    for alias, strategy in KNOWN:
        if hint == alias:
            return strategy
    origin = get_origin(hint)
    if origin is Annotated:
        return _of_annotated(hint)
    if origin is Literal:
        return st.sampled_from(get_args(hint))
    if origin in (Union, UnionType):
        return st.one_of(*map(_of, get_args(hint)))
    if origin is tuple:
        return st.lists(_of(get_args(hint)[0]), max_size=4).map(tuple)
    return _of_class(hint)


def _of_annotated(hint: Any) -> st.SearchStrategy[Any]:
    plain, *extras = get_args(hint)
    limits = [limit for each in extras if isinstance(each, FieldInfo) for limit in each.metadata]
    if plain is int:
        low = next((limit.ge for limit in limits if isinstance(limit, Ge)), None)
        high = next((limit.le for limit in limits if isinstance(limit, Le)), 2**62)
        return st.integers(low, high)  # type: ignore[arg-type]
    if get_origin(plain) is tuple:
        low = next((limit.min_length for limit in limits if isinstance(limit, MinLen)), 0)
        high = next((limit.max_length for limit in limits if isinstance(limit, MaxLen)), 5)
        return st.lists(_of(get_args(plain)[0]), min_size=low, max_size=min(high, low + 5)).map(tuple)
    return _of(plain)


def _of_class(hint: Any) -> st.SearchStrategy[Any]:
    plain: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(-(2**62), 2**62),
        str: st.text(LETTERS, max_size=50),
        bytes: st.binary(max_size=50),
        NoneType: st.none(),
    }
    return plain[hint] if hint in plain else of_model(hint)
