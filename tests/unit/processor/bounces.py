"""Bounces as several mail servers write them, written for these tests."""

from __future__ import annotations


def _report(action: str, status: str) -> str:
    return f"""\
From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: releases@corp.example
Subject: Delivery report
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="parts"

--parts
Content-Type: text/plain

What became of your mail is in the report.

--parts
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; anna@corp.example
Action: {action}
Status: {status}

--parts--
"""


BOUNCES = {
    "a report of a failure (RFC 3464)": _report("failed", "5.1.1"),
    "a report of a delay (RFC 3464)": _report("delayed", "4.4.1"),
    "Exim, by its own field": """\
From: Mail Delivery System <Mailer-Daemon@mx.example>
To: releases@corp.example
X-Failed-Recipients: anna@corp.example
Auto-Submitted: auto-replied
Subject: Mail delivery failed: returning message to sender

The address anna@corp.example does not exist.
""",
    "qmail, by its first line and its paragraphs": """\
Return-Path: <>
From: MAILER-DAEMON@mx.example
To: releases@corp.example
Subject: failure notice

Hi. This is the qmail-send program at mx.example.
Your mail could not be handed over.

<anna@corp.example>:
There is no such mailbox here.

--- Below this line is a copy of the message.
""",
}
