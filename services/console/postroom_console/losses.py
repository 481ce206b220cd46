"""What is lost when a dead letter is dropped, by its type."""

from collections.abc import Mapping

_LOST: Mapping[str, str] = {
    "mail.received": "the mail stays in its mailbox and nobody handles it: a reply in it decides nothing",
    "mail.send": "this mail is not sent; an approver who was to get it does not know of the request",
    "approval.request": "the request is not made, and whoever asked gets no answer",
    "approval.cancel": "the request is not cancelled and can still be decided",
    "approval.delegate": "nobody else may decide in the approver's place",
    "approval.query": "whoever asked gets no answer; they can ask again",
    "deny.add": "these rules are not added: mail that they would deny is taken",
    "deny.remove": "these rules stay: mail that they deny is denied",
    "mail.sent": "the request's record does not say that its mail was sent",
    "mail.failed": "the request's record does not say that its mail did not arrive",
    "mail.uncertain": "the request's record does not say that nobody knows whether its mail was sent",
    "mail.bounced": "the request's record does not say that its mail came back",
    "mailbox.done": "it is not recorded that mails were tidied; in the mailbox nothing changes",
    "mailbox.mark_read": "these mails stay unread in the mailbox",
    "mailbox.delete": "these mails stay in the mailbox",
    "mailbox.move": "these mails stay where they are in the mailbox",
    "mailbox.append": "this mail is not put into the folder; if it was sent, it is sent",
    "mailbox.find": "a mail is not looked for in the folder; the services ask again where they need it",
}
_OF_OTHERS = "the message is not delivered: whoever was to hear of it does not"
_UNREADABLE = "a message that nobody can read; whoever published it does not hear of it"


def lost_with(message_type: str) -> str:
    """What does not happen if a message of this type (empty: none that is known) is dropped."""
    return _LOST.get(message_type, _OF_OTHERS) if message_type else _UNREADABLE
