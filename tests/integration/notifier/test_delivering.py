"""Events come to webhooks: signed, again after a failure, each subscriber for itself."""

from __future__ import annotations

import json

from postroom.event_queues import Family, webhook_family
from postroom.messages import ApprovalExpired
from postroom.webhook import Webhook
from postroom_notifier.posting import Posting
from tests.integration.notifier.office import SECRET, Office, accepted
from tests.integration.notifier.receiver import Receiver, Say
from tests.integration.notifier.verifying import verified
from tests.waiting import wait_until


def queue_of(name: str) -> Family:
    return Family("webhook", name, ())


def test_an_event_is_posted_as_a_signed_cloudevent_to_whom_it_is_for(office: Office) -> None:
    with Receiver() as all_of_it, Receiver() as some, office.notifier():
        office.apply(
            office.webhook("all", all_of_it.url),
            office.webhook("some", some.url, events=["mail.accepted"], accounts=["news"]),
        )
        office.wait_for_queue(queue_of("all"))
        office.wait_for_queue(queue_of("some"))
        first, second = office.tell(accepted(1), accepted(2, "news"))
        wait_until(lambda: len(all_of_it.got) == 2 and some.got, 10, "the events")
        assert sorted(all_of_it.ids) == sorted([first, second])
        assert some.ids == [second]
        got = some.got[0]
        event = verified(got.headers, got.body, SECRET)
        assert (event["mail_id"], event["text"]) == ("mail-2", "Hello")
        assert got.headers["ce-type"] == "postroom.mail.accepted.v1"
        assert (got.headers["ce-id"], got.headers["ce-specversion"]) == (second, "1.0")
        assert got.headers["content-type"] == "application/json"


def test_a_failure_is_tried_again_as_the_same_event_and_retry_after_is_obeyed(office: Office) -> None:
    answers = {0: Say(503, {"Retry-After": "2"})}
    with Receiver(lambda number: answers.get(number, Say())) as receiver, office.notifier():
        office.apply(office.webhook("tickets", receiver.url))
        office.wait_for_queue(queue_of("tickets"))
        (event_id,) = office.tell(accepted(1))
        wait_until(lambda: len(receiver.got) == 2, 20, "the second try")
        assert set(receiver.ids) == {event_id}
        first, second = (int(each.headers["webhook-timestamp"]) for each in receiver.got)
        assert second - first >= 2


def test_who_never_answers_delays_nobody_else(office: Office) -> None:
    with Receiver(lambda _: None) as silent, Receiver() as quick, office.notifier(Posting(total_s=60)):
        office.apply(office.webhook("silent", silent.url), office.webhook("quick", quick.url))
        office.wait_for_queue(queue_of("silent"))
        office.wait_for_queue(queue_of("quick"))
        told = office.tell(*(accepted(number) for number in range(100)))
        wait_until(lambda: len(quick.got) == 100, 30, "all events at the quick one")
        assert sorted(quick.ids) == sorted(told)
        assert len(silent.got) <= 4
        silent.ending.set()


def test_a_410_disables_the_webhook_until_a_test_succeeds_and_nothing_is_lost(office: Office) -> None:
    gone = True
    with Receiver(lambda _: Say(410) if gone else Say(200, body=b"thanks")) as receiver, office.notifier():
        office.apply(office.webhook("tickets", receiver.url, concurrency=1))
        office.wait_for_queue(queue_of("tickets"))
        told = office.tell(accepted(1), accepted(2))

        def row() -> dict[str, object]:
            (found,) = json.loads(office.run("webhooks", "list", "--json").stdout)
            return dict(found)

        wait_until(lambda: row()["status"] == "disabled", 10, "the webhook to be disabled")
        wait_until(lambda: row()["waiting"] == 2, 10, "the events to wait")
        assert "410" in str(row()["why"])
        gone = False
        tested = office.run("webhooks", "test", "tickets")
        assert tested.exit_code == 0, tested.output
        assert "enabled again" in tested.stdout
        assert "thanks" in tested.stdout
        wait_until(lambda: set(told) <= set(receiver.ids[-2:]), 20, "the events that waited")
        wait_until(lambda: row()["status"] == "ok", 10, "the list to say so")


def test_what_is_given_up_is_a_dead_letter_that_can_be_replayed(office: Office) -> None:
    office.apply(office.webhook("tickets", "http://127.0.0.1:9/nobody"))
    with office.notifier():
        office.wait_for_queue(queue_of("tickets"))
    with Receiver() as receiver:
        ids = [office.dead_letter("tickets", accepted(number)) for number in range(3)]
        office.apply(office.webhook("tickets", receiver.url))
        shown = json.loads(office.run("webhooks", "show", "tickets", "--json").stdout)
        assert (shown["dead"], [each["id"] for each in shown["dead_letters"]]) == (3, ids)
        assert "24 h" in shown["dead_letters"][0]["reason"]
        with office.notifier():
            one = office.run("webhooks", "replay", "tickets", ids[1])
            assert (one.exit_code, one.stdout) == (0, "1 delivered again\n"), one.output
            wait_until(lambda: receiver.ids == [ids[1]], 10, "the one")
            assert office.run("webhooks", "replay", "tickets", "--since", "1h").exit_code == 0
            wait_until(lambda: sorted(receiver.ids) == sorted(ids), 10, "the others")
        assert office.depth(queue_of("tickets").dead) == 0
        assert office.run("webhooks", "replay", "tickets", "--all").exit_code == 1


def test_what_was_told_while_no_notifier_ran_comes_once_it_does(office: Office) -> None:
    with Receiver() as receiver:
        office.apply(office.webhook("tickets", receiver.url))
        with office.notifier():
            office.wait_for_queue(queue_of("tickets"))
        told = office.tell(accepted(1), accepted(2))
        assert not receiver.got
        with office.notifier():
            wait_until(lambda: sorted(receiver.ids) == sorted(told), 10, "the events")


def test_a_change_is_in_effect_without_a_restart_and_old_queues_go_when_empty(office: Office) -> None:
    with Receiver() as receiver, office.notifier(grace_s=0):
        office.apply(office.webhook("tickets", receiver.url, events=["approval.*"]))
        family = webhook_family(
            Webhook.model_validate(office.webhook("tickets", receiver.url, events=["approval.*"]))
        )
        office.wait_for_queue(family, len(family.bindings))
        office.tell(accepted(1))
        office.apply(office.webhook("tickets", receiver.url, events=["mail.accepted"]))
        office.wait_for_queue(family, 2)
        office.tell(ApprovalExpired.model_validate(EXPIRED), accepted(2))
        wait_until(lambda: receiver.got, 10, "the mail")
        assert [json.loads(each.body)["mail_id"] for each in receiver.got] == ["mail-2"]
        office.apply()
        wait_until(lambda: office.depth(family.name) is None, 15, "the queue to be removed")
        assert all(office.depth(name) is None for name in (*family.waiting, family.dead))


EXPIRED = {"account": "ops", "approval_id": "r-1", "deadline": "2026-01-31T00:00:00Z"}


def test_the_queues_of_events_are_checked_and_what_a_removed_webhook_left_is_listed(office: Office) -> None:
    office.apply(office.webhook("tickets", "http://127.0.0.1:9/nobody"))

    def check() -> dict[str, dict[str, object]]:
        found = json.loads(office.run("topology", "check", "--json").stdout)
        return {each["name"]: each for each in found}

    missing = check()[f"queue {queue_of('tickets').name}"]
    assert (missing["ok"], "start the notifier" in str(missing["advice"])) == (False, True)
    with office.notifier():
        office.wait_for_queue(queue_of("tickets"))
    assert check()[f"queue {queue_of('tickets').name}"]["ok"]
    letter = office.dead_letter("tickets", accepted(1))
    office.apply()
    (row,) = json.loads(office.run("dead", "list", "--json").stdout)["rows"]
    assert (row["id"], row["queue"]) == (letter, queue_of("tickets").name)
    assert office.run("dead", "replay", letter).exit_code == 0
    assert office.depth(queue_of("tickets").name) == 1
