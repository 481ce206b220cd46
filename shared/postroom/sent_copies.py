"""Which providers file what they send in the mailbox, and who has to do it otherwise (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass

from postroom.account import Account

FILING_HOSTS: Mapping[str, str] = {
    "smtp.gmail.com": "Gmail",
    "smtp.googlemail.com": "Gmail",
    "smtp.office365.com": "Microsoft 365",
    "smtp-legacy.office365.com": "Microsoft 365",
    "smtp-mail.outlook.com": "Outlook.com",
    "smtp.live.com": "Outlook.com",
}
"""Hosts at which a mail that was handed in also lies in the sender's folder for sent mail.

Gmail's own advice for mail programs is not to save sent mail on the server; Microsoft's for devices that send
by SMTP is that copies are in Sent Items. `smtp-relay.gmail.com` files nothing.
"""


@dataclass(frozen=True)
class NewCopy:
    """A copy that is to be filed; without `dataref` the spool did not take it, and `detail` says why."""

    send_id: str
    account: str
    message_id: str
    dataref: str
    detail: str = ""


def provider_files(account: Account) -> bool:
    """Whether the account's provider files what it sends, by the setting or by what is known of the host."""
    if account.smtp is None:
        return False
    if account.smtp.files_sent_copies == "auto":
        return account.smtp.host.lower().rstrip(".") in FILING_HOSTS
    return account.smtp.files_sent_copies


def can_look(account: Account) -> bool:
    """Whether the folder for sent mail tells if a mail was sent."""
    return account.imap is not None and provider_files(account)


def we_file(account: Account) -> bool:
    """Whether it is for us to file what the account sends."""
    if account.imap is None or account.sent_copies is False or provider_files(account):
        return False
    return account.sent_copies is True or not account.confidential
