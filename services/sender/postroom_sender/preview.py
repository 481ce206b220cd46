"""`python -m postroom_sender.preview`: writes a mail from a template's sample values, and sends nothing.

A filter, so that the console shows exactly what would be sent without knowing how it is written. Reads JSON
from standard input (`template`, and `account` as the accounts file has it), writes JSON: `mail` (base64) and
`html`.
Exit code 2 and a sentence on standard error if there is no such mail.
"""

import base64
import email
import email.policy
import json
import sys
from datetime import UTC, datetime
from email.message import EmailMessage

from postroom.account import Account
from postroom.errors import Permanent
from postroom.messages import MailSend, TemplateMail, derive_id
from postroom.templates.lint import GIVEN
from postroom.templates.template import Template
from postroom_sender.compose import Composed, compose
from postroom_sender.material import Material

WRITTEN_AT = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
"""A preview is the same each time, so that two of them can be compared."""


def main() -> int:
    """Run the filter; returns its exit code."""
    asked = json.load(sys.stdin)
    template, account = Template.model_validate(asked["template"]), Account.model_validate(asked["account"])
    try:
        mail = preview(template, account)
    except Permanent as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    json.dump({"mail": base64.b64encode(mail.content).decode(), "html": html_of(mail)}, sys.stdout)
    return 0


def preview(template: Template, account: Account) -> Composed:
    """The mail as it would be sent to many.

    Raises:
        Permanent: it cannot be written.
    """
    if account.confidential:
        raise Permanent(f"the account {account.name} is confidential: there are no previews of its mail")
    command = MailSend(
        id=derive_id("preview", template.name),
        account=account.name,
        recipient=GIVEN["recipient"],
        content=TemplateMail(template=template.name, values=template.sample),
        lane="bulk",
        written_at=WRITTEN_AT,
        unsubscribe=GIVEN["unsubscribe"],
    )
    signature = account.signature.strip("\n") or GIVEN["signature"]
    return compose(command, account, Material(template, signature=signature))


def html_of(mail: Composed) -> str | None:
    """The mail's HTML part."""
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    page = message.get_body(("html",))
    return page.get_content().replace("\r\n", "\n") if page is not None else None


if __name__ == "__main__":
    sys.exit(main())
