"""Which conversation a message joins: what it refers to, else subject and people within a time (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from postroom.inbox.entry import Entry, conversation_id

# A subject's time is written again when it is off by more: else every mail of a flood would write it.
_ROUGHLY = timedelta(hours=1)


@dataclass(frozen=True)
class Lead:
    """Where a key leads, and when the last message with it was."""

    conversation_id: str
    at: datetime


@dataclass
class Placing:
    """What placing some messages comes to.

    Attributes:
        conversations: The conversation of each message, by the message's id.
        begun: The first message of each new conversation, by the conversation's id.
        joined: The first of these messages of each conversation that was there.
        last_at: The time of the newest of these messages of each conversation, new or not.
        new_leads: Keys that are to be written for the first time.
        moved_leads: Keys that are there and lead elsewhere now, or have a new time.
    """

    conversations: dict[str, str] = field(default_factory=dict)
    begun: dict[str, Entry] = field(default_factory=dict)
    joined: dict[str, Entry] = field(default_factory=dict)
    last_at: dict[str, datetime] = field(default_factory=dict)
    new_leads: dict[str, tuple[str, Lead]] = field(default_factory=dict)
    moved_leads: dict[str, Lead] = field(default_factory=dict)


def keys_of(entries: Iterable[Entry]) -> list[str]:
    """Every key that has a say in where the messages go, sorted."""
    found = {key for each in entries for key in (*each.strong_keys, *each.weak_keys, *each.own_keys)}
    return sorted(found.union(each.awaited_key for each in entries if each.awaited_key))


def place(entries: Sequence[Entry], known: Mapping[str, Lead], within: Mapping[str, timedelta]) -> Placing:
    """Place the messages one after the other; later ones find the conversations of earlier ones.

    Args:
        entries: The messages.
        known: Where the keys of `keys_of` lead so far.
        within: By account, for how long a subject leads to its conversation.
    """
    leads = dict(known)
    placing = Placing()
    for entry in entries:
        found = _found(entry, leads, within[entry.account])
        if found is None:
            found = conversation_id(entry)
            placing.begun[found] = entry
        elif found not in placing.begun:
            placing.joined.setdefault(found, entry)
        placing.conversations[entry.id] = found
        placing.last_at[found] = max(entry.at, placing.last_at.get(found, entry.at))
        _remember(entry, found, leads, known, placing)
    return placing


def _found(entry: Entry, leads: Mapping[str, Lead], within: timedelta) -> str | None:
    for key in entry.strong_keys:
        if key in leads:
            return leads[key].conversation_id
    # Not of a second mail with the same id: whoever took another's is no part of its conversation.
    awaited = leads.get(entry.awaited_key or "")
    if awaited is not None and entry.id_key not in leads:
        return awaited.conversation_id
    for key in entry.weak_keys:
        lead = leads.get(key)
        if lead is not None and abs(entry.at - lead.at) <= within:
            return lead.conversation_id
    return None


def _remember(
    entry: Entry, found: str, leads: dict[str, Lead], known: Mapping[str, Lead], placing: Placing
) -> None:
    for key in entry.own_keys:
        # The first mail with an id keeps it: nobody can make another's mails lead elsewhere.
        if key not in leads:
            leads[key] = Lead(found, entry.at)
            placing.new_leads[key] = (entry.account, leads[key])
    for key in entry.weak_keys:
        lead = leads.get(key)
        leeway = _ROUGHLY if lead is not None and lead.conversation_id == found else timedelta(0)
        if lead is not None and entry.at - lead.at <= leeway:
            continue
        leads[key] = Lead(found, entry.at)
        if key in known:
            placing.moved_leads[key] = leads[key]
        else:
            placing.new_leads[key] = (entry.account, leads[key])
