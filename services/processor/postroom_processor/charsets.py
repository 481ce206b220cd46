"""Bytes of a declared charset into text: an allow-list of codecs, and never an exception."""

from __future__ import annotations

import codecs

# Codecs a mail may name. Whatever is not here (utf-7, idna, rot13, zlib, unicode_escape …) either
# hides what it says from a filter or is no charset at all.
_ALLOWED = frozenset(
    {
        "ascii",
        "utf-8",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "iso8859-1",
        "iso8859-2",
        "iso8859-3",
        "iso8859-4",
        "iso8859-5",
        "iso8859-6",
        "iso8859-7",
        "iso8859-8",
        "iso8859-9",
        "iso8859-10",
        "iso8859-11",
        "iso8859-13",
        "iso8859-14",
        "iso8859-15",
        "iso8859-16",
        "cp1250",
        "cp1251",
        "cp1252",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp1258",
        "cp437",
        "cp850",
        "cp852",
        "cp866",
        "cp874",
        "koi8-r",
        "koi8-u",
        "mac-roman",
        "mac-cyrillic",
        "tis-620",
        "gb2312",
        "gbk",
        "gb18030",
        "hz",
        "big5",
        "big5hkscs",
        "cp932",
        "shift_jis",
        "shift_jis_2004",
        "iso2022_jp",
        "iso2022_jp_1",
        "iso2022_jp_2",
        "iso2022_jp_2004",
        "euc_jp",
        "euc_jis_2004",
        "euc_kr",
        "cp949",
        "iso2022_kr",
        "johab",
    }
)
# Names real mail uses that Python does not know.
_ALIASES = {
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "windows-874": "cp874",
    "x-sjis": "cp932",
    "x-gbk": "gbk",
    "x-mac-roman": "mac-roman",
    "unicode-1-1-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "ansi_x3.4-1968": "ascii",
    "default": "ascii",
    "default_charset": "ascii",
}
# Browsers read these labels as the larger set, and senders mean it.
_WIDER = {"ascii": "utf-8", "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}


def codec_name(label: str) -> str | None:
    """Return Python's codec for a charset label of a mail, None for one that is not allowed."""
    plain = label.strip().strip("\"'").lower()
    try:
        name = codecs.lookup(_ALIASES.get(plain, plain)).name
    except (LookupError, ValueError, UnicodeError):
        return None
    name = name.replace("_", "-") if name.replace("_", "-") in _ALLOWED else name
    return _WIDER.get(name, name) if name in _ALLOWED else None


def decode(data: bytes, label: str | None) -> tuple[str, bool]:
    """Decode ``data``; the second value says whether the label was missing or known.

    An unknown charset is read as UTF-8 where that fits, else as Latin-1, which every byte string is.
    A known one that does not fit gets U+FFFD for what cannot be read, which no decision survives.
    """
    name = codec_name(label or "ascii")
    if name is None:
        return _guessed(data), False
    try:
        return data.decode(name), True
    except (UnicodeError, LookupError, ValueError):
        pass
    if name == "utf-8" and "8" not in (label or ""):
        return _guessed(data), True
    return data.decode(name, "replace"), True


def _guessed(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeError:
        return data.decode("latin-1")
