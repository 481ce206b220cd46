# ruff: noqa: RUF001
"""Subjects as conversations compare them: without what mail programs write before them (pure)."""

import re
import unicodedata
from functools import lru_cache

MAX_CHARS = 500
_MAX_PREFIXES = 20

# By language, in its own alphabet: what stands before replies, then what stands before mail sent on.
PREFIXES = """
en: re fw fwd forward
de: aw antw antwort wg
fr: re rép réf ref tr
es: re resp rv rsp
it: r ri rif i inoltro
pt: res resposta enc
nl: antw antwoord betr doorst
pl: odp pd
da: sv svar vs
sv: sv vb
no: sv vs
fi: vs vl
cs: re odp odpověď předat
ru: re отв ответ на пересл
uk: re відп відповідь пересл
zh: 回复 回覆 答复 答覆 转发 轉寄 轉發
ja: 返信 転送
ko: 회신 답장 전달
tr: ynt yanıt yanit ilt ileti
"""
_WORDS = sorted(
    {
        unicodedata.normalize("NFKC", word).casefold()
        for line in PREFIXES.strip().splitlines()
        for word in line.split()[1:]
    },
    key=lambda word: (-len(word), word),
)
# `Re:`, `RE[2]:`, `Re^3:`, `Aw (4) :`; NFKC has made the wide colon a plain one.
_DOT = "\u0307"  # what is left of the Turkish capital I with a dot
_PREFIX = re.compile(
    rf"(?:{'|'.join(map(re.escape, _WORDS))})\s?(?:\[\d{{1,4}}\]|\(\d{{1,4}}\)|\^\d{{1,4}})?\s?:"
)
# Wherever it stands: in a link of ours letters stand right before it (`%2B`).
_TAGGED = re.compile(r"\[?pr[a-z2-7]{40}\]?", re.IGNORECASE | re.ASCII)
# What mail programs put into a word that is too long for their lines: a break, with the marks of quoted lines
# before it goes on, an equals sign where quoted-printable was not decoded, invisible places to break at.
_BREAK = "(?:=?[ \t]*\r?\n[ \t>|]*|[\u00ad\u200b\u2060\ufeff])"
_BROKEN = re.compile(
    rf"\[?p{_BREAK}?r{_BREAK}?(?:[a-z2-7]{_BREAK}?){{39}}[a-z2-7](?![a-z0-9])\]?", re.IGNORECASE | re.ASCII
)


def without_token(text: str) -> str:
    """The text without reply tokens: who reads a conversation must not learn what proves a decision."""
    return _BROKEN.sub("[…]", _TAGGED.sub("[…]", text))


@lru_cache(maxsize=1000)
def subject_core(subject: str) -> str:
    """What two subjects of one conversation have in common; empty where there is nothing to compare by."""
    text = _TAGGED.sub(" ", subject[:MAX_CHARS])
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().replace(_DOT, "").split())
    for _ in range(_MAX_PREFIXES):
        match = _PREFIX.match(text)
        if match is None:
            break
        text = text[match.end() :].lstrip()
    return text
