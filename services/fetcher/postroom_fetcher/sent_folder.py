"""Finds the folder for sent mail: by SPECIAL-USE (RFC 6154), else by its name in many languages (pure)."""

import re
from collections.abc import Sequence

from postroom.messages import FolderInfo

SENT = "\\sent"
SENT_NAMES = (
    "Sent",
    "Sent Items",
    "Sent Messages",
    "Sent Mail",
    "Gesendet",
    "Gesendete Elemente",
    "Gesendete Objekte",
    "Gesendete Nachrichten",
    "Envoyés",
    "Éléments envoyés",
    "Messages envoyés",
    "Enviados",
    "Elementos enviados",
    "Mensajes enviados",
    "Itens enviados",
    "Posta inviata",
    "Inviata",
    "Inviati",
    "Verzonden",
    "Verzonden items",
    "Verzonden berichten",
    "Skickat",
    "Skickade objekt",
    "Sendt",
    "Sendte elementer",
    "Sendt post",
    "Lähetetyt",
    "Wysłane",
    "Elementy wysłane",
    "Odeslané",
    "Odeslaná pošta",
    "Odoslané",
    "Elküldött elemek",
    "Trimise",
    "Poslano",
    "Gönderilmiş Öğeler",
    "Gönderilenler",
    "Απεσταλμένα",
    "Отправленные",
    "Надіслані",
    "送信済みアイテム",
    "送信済みメール",
    "已发送",
    "已发送邮件",
    "寄件備份",
    "보낸편지함",
    "보낸 편지함",
)
_NAMES = {name.casefold(): rank for rank, name in enumerate(SENT_NAMES)}
# The server says how its folders nest, but names with all three are the same in practice.
_SEPARATORS = re.compile(r"[/.\\]")


def sent_folder(folders: Sequence[FolderInfo], setting: str | None = None) -> tuple[str | None, str]:
    """The folder for sent mail and the rule that found it.

    The rules in their order: `setting` (`setting-missing` if the server does not have that folder),
    `special-use` (RFC 6154), `name`, and `none`.
    """
    if setting is not None:
        there = any(_same(folder.name, setting) for folder in folders)
        return setting, "setting" if there else "setting-missing"
    for folder in folders:
        if SENT in (attribute.lower() for attribute in folder.attributes):
            return folder.name, "special-use"
    ranked = [(_rank(folder.name), folder.name) for folder in folders]
    best = min(((rank, name) for rank, name in ranked if rank is not None), default=None)
    return (best[1], "name") if best else (None, "none")


def _rank(name: str) -> int | None:
    return _NAMES.get(_SEPARATORS.split(name)[-1].strip().casefold())


def _same(name: str, other: str) -> bool:
    # RFC 9051, section 5.1: only INBOX is the same in every case.
    return name == other or name.upper() == other.upper() == "INBOX"
