"""A person says what became of a mail that may have been sent or not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from postroom.envelope import Envelope, envelop
from postroom.errors import Misconfigured
from postroom.inbox.sends import the_send
from postroom.messages import MailSend, MailSent, derive_id
from postroom.store import audit, bulks, doubts
from postroom.store.doubts import EndedBy, To
from postroom.store.view import View

How = Literal["sent", "resend"]
_BY: dict[How, tuple[To, EndedBy]] = {
    "sent": ("sent", "said sent"),
    "resend": ("retrying", "said resend"),
}


@dataclass(frozen=True)
class Resolution:
    """What came of it.

    Attributes:
        account: Whose mail it is.
        is_new: False: the same was said before.
        messages: What is to be told or ordered.
        content: The mail, if it is kept and was said to be sent.
    """

    account: str
    is_new: bool
    messages: tuple[Envelope[MailSent] | Envelope[MailSend], ...] = ()
    content: bytes | None = None


def resolve(
    view: View, send_id: str, how: How, source: str, now: datetime, attempts: int | None = None
) -> Resolution:
    """Settle a mail's doubt; audited. Whoever settles it first has settled it.

    With `attempts`: the doubt after so many only, so that what somebody else had sent again, and is in doubt
    once more, is not sent a third time by who saw the first doubt.

    Raises:
        NotThere: there is no such mail that the actor sees.
        Misconfigured: it is not in doubt, or cannot be sent again; nothing was changed.
    """
    send = the_send(view, send_id)
    to, by = _BY[how]
    connection = view.connection
    command = _order(view, send_id) if how == "resend" and send["state"] == "uncertain" else None
    content = doubts.contents(connection, [send_id]).get(send_id) if how == "sent" else None
    ended = doubts.end(connection, send_id, to, by, f"{view.actor.name} said so", now, attempts)
    if ended is None:
        return _said_before(view, send_id, by)
    audit.record(connection, view.actor, "sends.resolve", ended.account, send_id, {"as": how}, now=now)
    if how == "sent":
        return Resolution(ended.account, True, tuple(ended.sent_events(source, now)), content)
    order = envelop(
        command or _order(view, send_id),
        source=source,
        now=now,
        message_id=derive_id("resend", send_id, ended.attempts),
        correlation_id=ended.correlation_id,
    )
    return Resolution(ended.account, True, (order,))


def _order(view: View, send_id: str) -> MailSend:
    """The order to send it again. Raises Misconfigured: it was not kept, or would not be obeyed."""
    kept = doubts.command_of(view.connection, send_id)
    if kept is None:
        raise Misconfigured(
            "resend",
            f"nothing of {send_id} was kept to be sent again, since its account is confidential: "
            "say `sent`, or have it sent anew under another id",
        )
    command = MailSend.model_validate_json(kept)
    states = bulks.states(view.connection, [command.bulk_id] if command.bulk_id else [])
    if states.get(command.bulk_id) in bulks.IS_CANCELLED:
        raise Misconfigured(
            "resend", f"the bulk {command.bulk_id} was cancelled: nothing of it is sent again"
        )
    return command


def _said_before(view: View, send_id: str, by: EndedBy) -> Resolution:
    send = the_send(view, send_id)
    if send.get("settled_by") == by:
        return Resolution(send["account"], False)
    raise Misconfigured(
        "state",
        f"{send_id} is {send['state']}: only what is uncertain can be resolved (`postroom sends show`)",
    )
