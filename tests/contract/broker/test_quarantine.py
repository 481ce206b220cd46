"""Looking into quarantines, on RabbitMQ and on the embedded broker alike."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from postroom.broker.declare import apply
from postroom.broker.looking import Found
from postroom.broker.publisher import Outgoing
from postroom.broker.quarantine import opened
from postroom.broker.quarantine_rabbitmq import BLOCK, RENEW_AT
from postroom.envelope import with_header
from postroom.errors import Transient
from postroom.topology import INBOX
from tests.contract.broker.scene import DEAD, Scene, mail, one_family
from tests.contract.broker.witness import RabbitWitness
from tests.servers.rabbitmq import RabbitMq, Vhost

MANY = 2 * BLOCK + 50


def bury(scene: Scene, count: int) -> list[str]:
    """Put letters into the quarantine; returns their ids in order."""
    letters = [
        Outgoing(with_header(mail(uid).wire, "x-postroom-reason", f"why {uid}"), "", DEAD)
        for uid in range(1, count + 1)
    ]
    scene.publish(*letters)
    return [each.wire.message_id for each in letters]


def looked(scene: Scene, count: int | None = None) -> list[str]:
    """The ids that a look finds, or the first of them."""
    with opened(scene.url) as quarantine, quarantine.looking(INBOX) as look:
        return [each.id for each in itertools.islice(look, count)]


def test_looking_consumes_nothing_and_leaves_the_order(scene: Scene) -> None:
    ids = bury(scene, MANY)
    for count in (10, BLOCK + 10, MANY, 10, MANY):
        assert looked(scene, count) == ids[:count]
    with opened(scene.url) as quarantine:
        assert quarantine.count(INBOX) == MANY
        assert quarantine.count("postroom.nothing") is None
    assert [each.message_id for each in scene.witness.look(DEAD)] == ids


def test_only_what_was_removed_is_gone(scene: Scene) -> None:
    ids = bury(scene, MANY)
    gone: list[Found] = []
    with opened(scene.url) as quarantine, quarantine.looking(INBOX) as look:
        for number, found in enumerate(look):
            if number % 3 == 0 or number < 5:
                look.remove([found])
                gone.append(found)
    left = [each for each in ids if each not in {found.id for found in gone}]
    assert looked(scene) == left
    assert (len(gone), gone[7].letter.reason) == (MANY - len(left), "why 13")


def test_a_letter_that_is_looked_at_for_ever_is_never_lost(scene: Scene) -> None:
    ids = bury(scene, 3)
    for _ in range(2 * RENEW_AT + 4):
        assert looked(scene) == ids


@pytest.mark.needs("rabbitmq")
def test_two_who_look_see_all_one_after_the_other(
    rabbitmq_vhost: Vhost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroom.broker.quarantine_rabbitmq.LOCK_WAIT_S", 0.0)
    apply(rabbitmq_vhost.url, one_family())
    scene = Scene(rabbitmq_vhost.url, RabbitWitness(rabbitmq_vhost.url), tmp_path)
    bury(scene, 1)
    with opened(scene.url) as mine, mine.looking(INBOX) as look:
        assert len(list(look)) == 1
        with pytest.raises(Transient, match="somebody else"):
            looked(scene)
    assert len(looked(scene)) == 1


@pytest.mark.needs("rabbitmq")
def test_where_rabbitmq_throws_away_what_came_back_too_often_nothing_is_lost(
    rabbitmq: RabbitMq, rabbitmq_vhost: Vhost, tmp_path: Path
) -> None:
    limit = {"pattern": ".*", "definition": {"delivery-limit": RENEW_AT + 2}, "apply-to": "queues"}
    rabbitmq.api("PUT", f"policies/{rabbitmq_vhost.name}/limit", limit)
    apply(rabbitmq_vhost.url, one_family())
    scene = Scene(rabbitmq_vhost.url, RabbitWitness(rabbitmq_vhost.url), tmp_path)
    ids = bury(scene, BLOCK + 3)
    for count in (1, MANY) * (RENEW_AT + 2):
        assert looked(scene, count) == ids[:count]
