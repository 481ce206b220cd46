"""A letter that is put back leaves the quarantine only after its queue has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from postroom.broker.looking import Found
from postroom.broker.publisher import Publisher, PublishFailed
from postroom.broker.requeue import put_back
from postroom.envelope import encode, envelop
from postroom.errors import Transient
from postroom.messages import ApprovalCancel

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Scene:
    """A look and a publisher in one, with what was done in order. `fails`: what publishing raises."""

    fails: Exception | None = None
    refuses: int = 0
    done: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Found]:
        return iter(())

    def remove(self, found: Sequence[Found]) -> None:
        self.done += [f"remove {each.id}" for each in found]

    def publish(self, messages: Sequence[Any]) -> None:
        if self.fails:
            raise self.fails
        self.done += [f"publish {each.wire.message_id}" for each in messages[self.refuses :]]
        if self.refuses:
            raise PublishFailed(tuple((each, "full") for each in messages[: self.refuses]))


def letters(count: int) -> list[Found]:
    wires = [
        encode(envelop(ApprovalCancel(id="r"), source="/test", now=NOW, message_id=f"m{number}"))
        for number in range(count)
    ]
    return [Found(number, "some.queue", wire) for number, wire in enumerate(wires)]


def put(scene: Scene) -> None:
    put_back(scene, cast(Publisher, scene), letters(2))


def test_what_was_published_is_removed_and_not_before() -> None:
    scene = Scene()
    put(scene)
    assert scene.done == ["publish m0", "publish m1", "remove m0", "remove m1"]


def test_nothing_is_removed_if_the_broker_is_away_and_what_is_refused_stays() -> None:
    away = Scene(Transient("the broker is away"))
    with pytest.raises(Transient):
        put(away)
    assert away.done == []
    full = Scene(refuses=1)
    with pytest.raises(PublishFailed):
        put(full)
    assert full.done == ["publish m1", "remove m1"]
