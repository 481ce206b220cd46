# ruff: noqa: RUF001
"""Letters that are not what they look like, and letters that cannot be seen (Unicode TR 36, TR 39)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SAME = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "\xa0": " ", "\u202f": " ", "\u3000": " "}
    | {"‐": "-", "‑": "-", "−": "-", "İ": "i"}
)
# Bidi controls, zero widths, fillers, tags, soft hyphen, invisible operators, controls.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_JOINER = re.compile(
    "(?<![\u2600-\u27bf\U0001f000-\U0001faff\ufe0f])\u200d|\u200d(?![\u2600-\u27bf\U0001f000-\U0001faff])"
)
_WORD = re.compile(r"[^\W\d_]+")
_STRIKING = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f]")
_COMPATIBILITY = re.compile(
    "[\u2100-\u214f\u2460-\u24ff\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff\U0001f110-\U0001f189]"
)
_SIGNS_KEPT = frozenset("™℠№℃℉")
# Scripts that are written together with Latin in one word.
_MIXES_WITH_LATIN = frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL"})
_SINGLE_LETTERS = frozenset({"MICRO", "FEMININE", "MASCULINE", "MODIFIER", "IDEOGRAPHIC", "OHM", "KELVIN"})
_READ = _MIXES_WITH_LATIN | _SINGLE_LETTERS | {"CYRILLIC", "GREEK"}


def fold(text: str) -> str:
    """Lower-case ``text`` letter by letter and unify blanks, apostrophes and hyphens.

    The result is as long as ``unicodedata.normalize("NFC", text)``.
    """
    plain = unicodedata.normalize("NFC", text).translate(_SAME)
    lower = plain.lower()
    if len(lower) == len(plain):
        return lower
    return "".join(small if len(small := char.lower()) == 1 else char for char in plain)


def has_hidden_characters(text: str) -> bool:
    """Whether anything in ``text`` cannot be seen or changes the order of what can."""
    return _HIDDEN.search(text) is not None or _JOINER.search(text) is not None


def has_look_alikes(text: str) -> bool:
    """Whether a word mixes Latin with another alphabet, or letters are dressed up."""
    plain = unicodedata.normalize("NFC", text)
    if plain.isascii():
        return False
    if _STRIKING.search(plain):
        return True
    if any(char not in _SIGNS_KEPT for char in _COMPATIBILITY.findall(plain)):
        return True
    return any(_mixes(word) for word in _WORD.findall(plain) if not word.isascii())


def has_unread_script(text: str) -> bool:
    """Whether ``text`` has letters of a script for which there are no word lists."""
    return any(_script(char) not in _READ for char in text if char.isalpha() and not char.isascii())


def signs(text: str) -> list[str]:
    """Return the pictures in ``text``: emoji and other symbols, without skin tones and selectors."""
    return [
        char
        for char in text
        if ord(char) > 0x2000 and unicodedata.category(char) in ("So", "Cn", "Co") and char not in _SIGNS_KEPT
    ]


def _mixes(word: str) -> bool:
    scripts = {_script(char) for char in word} - _SINGLE_LETTERS
    return "LATIN" in scripts and not scripts <= _MIXES_WITH_LATIN


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    return unicodedata.name(char, "UNKNOWN").split(" ", 1)[0]
