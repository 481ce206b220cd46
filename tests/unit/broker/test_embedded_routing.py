"""Topic patterns as RabbitMQ understands them."""

from __future__ import annotations

import pytest

from postroom.broker.embedded_routing import NoExchange, Routes, topic_matches


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#", "ab", False),
        ("#", "", True),
        ("#", "a.b", True),
        ("#.c", "c", True),
        ("#.c", "a.b.c", True),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
        ("a.*.#", "a", False),
        ("*", "", False),
        ("a.b", "axb", False),
        ("a+.b", "aa.b", False),
    ],
)
def test_words_are_matched_one_by_one(pattern: str, key: str, matches: bool) -> None:
    assert topic_matches(pattern, key) is matches


def test_each_kind_of_exchange_has_its_rule() -> None:
    bindings = {
        "topics": [("a.#", 1), ("a.b", 1), ("a.*", 2)],
        "directs": [("a.b", 1), ("a.#", 2)],
        "fans": [("", 1), ("x", 2)],
    }
    routes = Routes(
        {"topics": "topic", "directs": "direct", "fans": "fanout"}, {"one": 1, "two": 2}, bindings
    )
    assert routes.targets("topics", "a.b") == (1, 2), "each queue once"
    assert routes.targets("topics", "a") == (1,)
    assert routes.targets("directs", "a.b") == (1,)
    assert routes.targets("fans", "whatever") == (1, 2)
    assert routes.targets("", "two") == (2,)
    assert routes.targets("", "three") == ()
    with pytest.raises(NoExchange):
        routes.targets("nowhere", "a")
