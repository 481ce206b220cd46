# ruff: noqa: RUF001
# Subjects are spelled in the alphabet of their language.
"""Mail that no person wrote for this purpose: auto-replies, bounces, lists, receipts, our own mail."""

from __future__ import annotations

import re
from collections.abc import Callable

from postroom_processor.mail import Mail

# Header fields whose mere presence tells, by vendor; RFC 3834 section 5 leaves room for more.
_AUTO_REPLY_FIELDS = frozenset(
    {
        "x-autoreply",
        "x-autorespond",
        "x-autoreply-from",
        "x-autoresponse",
        "x-auto-reply-from",
        "x-mail-autoreply",
        "x-vacation",
        "x-ebay-mailtracker-autoreply",
        "x-ms-exchange-generated-message-source",
        "x-ms-exchange-inbox-rules-loop",
    }
)
# Fields whose value tells.
_AUTO_REPLY_VALUES: tuple[tuple[str, re.Pattern[str]], ...] = (
    # RFC 3834 section 5: anything but "no" is automatic; parameters may follow.
    ("auto-submitted", re.compile(r"(?!\s*no\b)\s*\S", re.I)),
    ("precedence", re.compile(r"\s*auto[_-]?reply", re.I)),
    ("x-precedence", re.compile(r"\s*auto[_-]?reply", re.I)),
    ("x-auto-response-suppress", re.compile(r".*\ball\b", re.I | re.S)),
    ("x-post-messageclass", re.compile(r".*autoresponder", re.I | re.S)),
    ("delivered-to", re.compile(r"\s*autoresponder", re.I)),
    ("x-delivered-to", re.compile(r"\s*autoresponder", re.I)),
    ("x-fc-machinegenerated", re.compile(r"\s*true", re.I)),
)
_LIST_VALUES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("precedence", re.compile(r"\s*(?:list|bulk|junk)", re.I)),
    ("x-precedence", re.compile(r"\s*(?:list|bulk|junk)", re.I)),
)
_LIST_FIELDS = frozenset({"list-id", "list-post", "list-unsubscribe", "x-mailman-version", "mailing-list"})

# How out-of-office programs begin a subject, by language (en de fr es it pt nl pl da sv no fi cs ru
# uk zh ja ko tr).
_AWAY = re.compile(
    r"\W*(?:"
    r"out of (?:the )?office|auto(?:matic)?[- ]?(?:reply|response|replied)|autoreply|auto:"
    r"|away from (?:my )?(?:mail|office|desk)"
    r"|on (?:vacation|holiday|leave)\b|vacation (?:reply|response|message)|i(?:'m| am) (?:away|out of)"
    r"|automatische (?:antwort|rückmeldung)|abwesenheits\w+|abwesend"
    r"|nicht im (?:büro|haus)|autom\. antwort|antwort automatisch"
    r"|réponse automatique|absence du bureau|absent(?:e)? du bureau|message d'absence|je suis absent"
    r"|respuesta automática|fuera de (?:la )?oficina|ausencia|estoy fuera"
    r"|risposta automatica|fuori (?:sede|ufficio)|assente|assenza"
    r"|resposta automática|fora do escritório|ausente|ausência"
    r"|automatisch antwoord|afwezig\w*|niet aanwezig|automatische beantwoording"
    r"|odpowiedź automatyczna|automatyczna odpowiedź|autoodpowiedź|poza biurem|nieobecn\w+"
    r"|automatisk svar|automatiskt svar|autosvar|ikke til stede|fraværende"
    r"|frånvar\w*|fravær\w*|ikke på kontoret|ej på kontoret"
    r"|automaattinen vastaus|poissa toimistosta|poissaolo\w*"
    r"|automatická odpověď|mimo kancelář|nepřítomnost"
    r"|автоматический ответ|автоответ\w*|нет на работе|вне офиса|в отпуске"
    r"|автоматична відповідь|автовідповідь|поза офісом|у відпустці"
    r"|自动回复|自動回覆|自动答复|不在办公室"
    r"|外出|自動返信|自動応答|不在(?:通知|の(?:お)?知らせ)|자동 ?(?:회신|응답|답장)|부재 ?중"
    r"|otomatik (?:yanıt|cevap)|ofis dışında"
    r")",
    re.I,
)
_BOUNCE_SENDER = re.compile(r"mail(?:er)?[-_ ]?daemon|mail delivery (?:sub)?system", re.I)
_NULL_PATH = re.compile(r"\s*<?\s*>?\s*$")
_REPORT_TYPE = re.compile(r"report-type\s*=\s*\"?([\w-]+)", re.I)
_METHOD_REPLY = re.compile(r"method\s*=\s*\"?(?:reply|counter|declinecounter)", re.I)


def automatic_kind(mail: Mail) -> str | None:
    """Tell what kind of automatic mail this is; None for one that a person seems to have written.

    Returns:
        ``own``, ``report`` (a complaint, RFC 5965), ``receipt`` (RFC 8098), ``bounce`` (RFC 3464),
        ``calendar`` (an answer to an invitation, RFC 6047), ``auto-reply`` (RFC 3834) or ``list``:
        the first that fits, in this order.
    """
    for kind, applies in _KINDS:
        if applies(mail):
            return kind
    return None


def _is_own(mail: Mail) -> bool:
    return bool(mail.header_bytes("x-postroom-id"))


def _declared(mail: Mail) -> str:
    """The whole mail's Content-Type, from the header, so that no body has to be parsed for it."""
    return " ".join(mail.header_values("content-type")).lower()


def _reports(mail: Mail, *types: str) -> bool:
    declared = _declared(mail)
    found = _REPORT_TYPE.search(declared)
    if found and found.group(1) in types:
        return True
    if not declared.lstrip().startswith(("multipart/", "message/")):
        return False
    return any(f"message/{kind}" in mail.content_types for kind in types)


def _is_report(mail: Mail) -> bool:
    return _reports(mail, "feedback-report")


def _is_receipt(mail: Mail) -> bool:
    return _reports(mail, "disposition-notification")


def _is_bounce(mail: Mail) -> bool:
    if mail.header_bytes("x-failed-recipients") or any(
        _NULL_PATH.match(value) for value in mail.header_values("return-path")
    ):
        return True
    if any(_BOUNCE_SENDER.search(value) for value in mail.header_values("from")):
        return True
    return _reports(mail, "delivery-status", "global-delivery-status")


def _is_calendar(mail: Mail) -> bool:
    declared = _declared(mail).lstrip()
    if declared.startswith("text/calendar"):
        return True
    if not declared.startswith("multipart/") or b"calendar" not in mail.raw.lower():
        return False
    return any(
        part.content_type == "text/calendar" and _METHOD_REPLY.search(part.parameters) for part in mail.parts
    )


def _is_auto_reply(mail: Mail) -> bool:
    if not _AUTO_REPLY_FIELDS.isdisjoint(mail.fields):
        return True
    return _any_value(mail, _AUTO_REPLY_VALUES) or _AWAY.match(mail.subject) is not None


def _is_list(mail: Mail) -> bool:
    return not _LIST_FIELDS.isdisjoint(mail.fields) or _any_value(mail, _LIST_VALUES)


def _any_value(mail: Mail, table: tuple[tuple[str, re.Pattern[str]], ...]) -> bool:
    return any(pattern.match(value) for name, pattern in table for value in mail.header_values(name))


_KINDS: tuple[tuple[str, Callable[[Mail], bool]], ...] = (
    ("own", _is_own),
    ("report", _is_report),
    ("receipt", _is_receipt),
    ("bounce", _is_bounce),
    ("calendar", _is_calendar),
    ("auto-reply", _is_auto_reply),
    ("list", _is_list),
)
