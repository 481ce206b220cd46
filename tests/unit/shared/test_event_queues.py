"""Queues that follow from settings."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.broker.definitions import RIGHTS, policies
from postroom.broker.embedded_routing import topic_matches
from postroom.event_queues import campaign_family, family_named, routing_keys, webhook_family
from postroom.messages import MESSAGES, Event
from postroom.topology import EVENTS
from postroom.webhook import EVENT_TYPES, Webhook, family

PATTERNS = ("*", *EVENT_TYPES, *sorted({family(each) for each in EVENT_TYPES}))


def webhook(**more: object) -> Webhook:
    common = {"name": "tickets", "url": "https://x.example/", "secret": "env:X", "events": ["*"]}
    return Webhook.model_validate({**common, **more})


def key_of(event_type: str, account: str | None) -> str:
    model = MESSAGES[event_type]
    lane = ["inbox"] if event_type == "mail.received" else []
    own = [account] if account and "account" in model.model_fields else []
    return ".".join([event_type, *lane, *own])


@given(
    events=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4),
    accounts=st.one_of(st.just("all"), st.lists(st.sampled_from(["ops", "news"]), min_size=1)),
)
def test_a_webhook_is_bound_to_exactly_the_events_that_it_wants(
    events: list[str], accounts: str | list[str]
) -> None:
    hook = webhook(events=events, accounts=accounts)
    keys = routing_keys(hook)
    for event_type, model in MESSAGES.items():
        if not issubclass(model, Event) or event_type == "approval.states":
            continue
        for account in ("ops", "news", "other"):
            own = account if "account" in model.model_fields else None
            bound = any(topic_matches(key, key_of(event_type, account)) for key in keys)
            assert bound is hook.wants(event_type, own), (event_type, account, keys)


def test_a_webhook_that_is_switched_off_hears_of_nothing_and_keeps_its_queues() -> None:
    on, off = webhook_family(webhook()), webhook_family(webhook(enabled=False))
    assert [each.name for each in on.queues()] == [each.name for each in off.queues()]
    assert any(each.exchange == EVENTS for each in on.bindings)
    assert not any(each.exchange == EVENTS for each in off.bindings)


@pytest.mark.parametrize("made", [webhook_family(webhook()), campaign_family("ops")])
def test_a_full_queue_of_events_never_refuses_what_is_published(made: object) -> None:
    name = made.name  # type: ignore[attr-defined]
    assert family_named(name).waiting == made.waiting  # type: ignore[attr-defined]
    work = next(each for each in made.queues() if each.name == name)  # type: ignore[attr-defined]
    assert "x-overflow" not in work.arguments
    limits = sorted(policies(500), key=lambda each: -each.priority)
    for queue in made.queues():  # type: ignore[attr-defined]
        first = next(each for each in limits if re.search(each.pattern, queue.name))
        assert first.definition["max-length"] == 500
        for right in ("configure", "write", "read"):
            assert re.search(getattr(RIGHTS["notifier"], right), queue.name)


def test_the_notifier_configures_its_own_queues_and_publishes_nothing_into_others() -> None:
    rights = RIGHTS["notifier"]
    for name in ("postroom.processor.inbox", "postroom.webhook", "postroom.client.x", "postroom.events"):
        assert not re.search(rights.configure, name)
    for name in ("amq.default", "postroom.commands", "postroom.processor.inbox"):
        assert not re.search(rights.write, name)


def test_looking_into_a_quarantine_is_no_crash() -> None:
    limits = sorted(policies(), key=lambda each: -each.priority)
    for name in ("postroom.processor.inbox.dead", "postroom.webhook.x.dead"):
        first = next(each for each in limits if re.search(each.pattern, name))
        assert int(first.definition["delivery-limit"]) > 1_000_000
