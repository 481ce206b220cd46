"""What a style says about whether a person can see a text: inline styles, style sheets, colours.

Erring towards hidden is safe: a text that may be hidden leaves a doubt, and with a doubt nothing is
decided.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

_ZERO = r"0*(?:\.0*)?(?:px|pt|r?em|ex|ch|v[wh]|%)?\s*(?:;|!|$)"
_STARTS = r"(?:^|[;{\s\"'])"
# Declarations that take a text out of sight, in lower case and without comments and escapes.
_HIDDEN = tuple(
    re.compile(_STARTS + declaration)
    for declaration in (
        r"display\s*:\s*none",
        r"(?:content-)?visibility\s*:\s*(?:hidden|collapse)",
        r"mso-hide\s*:\s*all",
        r"font-size\s*:\s*[01](?:\.\d+)?(?:px|pt|r?em|%)?\s*(?:;|!|$)",
        r"font-size\s*:\s*\.\d",
        r"font\s*:\s*(?:[a-z]+\s+)*0",
        r"(?:line-height|zoom|(?:max-)?(?:height|width))\s*:\s*" + _ZERO,
        r"opacity\s*:\s*(?:0?\.[0-2]|0\s*(?:;|!|$)|0\.0|[0-9]%|1[0-9]%)",
        r"(?:text-indent|letter-spacing|margin[a-z-]*|left|top|right|bottom)\s*:[^;]{0,60}-\s?(?:\d{3}|\d+r?em)",
        r"(?:-webkit-)?(?:transform|clip|clip-path|mask|filter)\s*:\s*(?!none|auto|inherit|initial)",
        r"(?:scale|rotate|translate)\s*:\s*(?!none|1\s*(?:;|!|$))",
        r"inset\s*:[^;]{0,60}-\s?\d{3}",
        r"(?:-webkit-)?text-security\s*:\s*(?!none)",
        r"font(?:-family)?\s*:[^;]{0,100}(?:wing|web)dings",
        r"color\s*:\s*(?:hwb|(?:ok)?l(?:ab|ch)|color(?:-mix)?)\(",
        r"-webkit-text-fill-color\s*:\s*transparent",
    )
)
_STRUCK = re.compile(r"text-decoration[\w-]*\s*:[^;]{0,80}line-through")
_REORDERED = re.compile(r"unicode-bidi\s*:\s*(?:bidi-override|isolate-override)")
# A style this long is no person's: what is in it is not looked at, and its text counts as hidden.
_LONGEST_STYLE_CHARS = 4_000
_ESCAPE = re.compile(r"\\(?:([0-9a-f]{1,6})\s?|(.))", re.I)
_COLOUR = re.compile(_STARTS + r"color\s*:\s*([^;!]{1,60})")
_BACKGROUND = re.compile(_STARTS + r"background(?:-color)?\s*:\s*([^;!]{1,60})")
_HEX = re.compile(r"#?([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^)]{1,50})\)?")
_NUMBER = re.compile(r"[\d.]+%?")
_PALE_NAMES = frozenset(
    {
        *("white", "snow", "ivory", "whitesmoke", "ghostwhite", "floralwhite", "mintcream", "azure"),
        *("aliceblue", "honeydew", "seashell", "lightyellow", "lavenderblush", "oldlace", "linen"),
        *("beige", "cornsilk", "lightcyan", "canvas", "window"),
    }
)
_DARK_NAMES = frozenset({"black", "windowtext", "navy", "darkblue", "midnightblue"})
# Below this distance, of 765, two colours look alike.
_ALIKE = 60


@dataclass(frozen=True)
class Look:
    """What a style says.

    Attributes:
        hidden: Whether it takes the text out of sight.
        struck: Whether it strikes the text out.
        reordered: Whether it turns the order of the letters round.
        colour: The text's colour; None if not said or unknown.
        background: Likewise.
    """

    hidden: bool = False
    struck: bool = False
    reordered: bool = False
    colour: Colour | None = None
    background: Colour | None = None


PLAIN = Look()


def look_of(style: str) -> Look:
    """Read a style attribute or the declarations of a rule; never raises."""
    if not style:
        return PLAIN
    if len(style) > _LONGEST_STYLE_CHARS:
        return Look(hidden=True)
    plain = _plain(style)
    written, behind = _COLOUR.search(plain), _BACKGROUND.search(plain)
    transparent = written is not None and _is_transparent(written.group(1).strip())
    return Look(
        transparent or any(pattern.search(plain) for pattern in _HIDDEN),
        _STRUCK.search(plain) is not None,
        _REORDERED.search(plain) is not None,
        colour_of(written.group(1)) if written else None,
        colour_of(behind.group(1)) if behind else None,
    )


def are_alike(one: Colour, other: Colour) -> bool:
    """Whether a text of one colour cannot be read on the other."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) < _ALIKE


def colour_of(value: str) -> Colour | None:
    """Read a colour as CSS or an HTML attribute writes it; None for one that is not known."""
    text = value.strip().lower()
    if text in _PALE_NAMES:
        return WHITE
    if text in _DARK_NAMES:
        return BLACK
    found = _HEX.match(text)
    if found:
        return _hex(found.group(1))
    function = _FUNCTION.match(text)
    return _function(function.group(1), _NUMBER.findall(function.group(2))) if function else None


def _hex(digits: str) -> Colour:
    wide = digits if len(digits) >= 6 else "".join(digit * 2 for digit in digits)
    return int(wide[:2], 16), int(wide[2:4], 16), int(wide[4:6], 16)


def _function(name: str, numbers: list[str]) -> Colour | None:
    values = [_channel(each) for each in numbers[:3]]
    if len(values) < 3:
        return None
    if name == "rgb":
        return values[0], values[1], values[2]
    # Of hue, saturation and lightness only the ends of the last tell enough here.
    return {255: WHITE, 0: BLACK}.get(values[2])


def _channel(number: str) -> int:
    try:
        value = float(number.rstrip("%"))
    except ValueError:
        return 0
    return min(255, round(value * 2.55 if number.endswith("%") else value))


def _is_transparent(value: str) -> bool:
    if value == "transparent" or re.fullmatch(r"#[0-9a-f]{3}0|#[0-9a-f]{6}0[0-9a-f]", value):
        return True
    function = _FUNCTION.match(value)
    numbers = _NUMBER.findall(function.group(2)) if function else []
    return (
        len(numbers) == 4 and re.fullmatch(r"0*\.?[01]?\d?|\d%", numbers[3]) is not None and numbers[3] != "1"
    )


def _plain(style: str) -> str:
    lower = _without_comments(style.lower())
    return _ESCAPE.sub(_unescaped, lower) if "\\" in lower else lower


def _without_comments(style: str) -> str:
    first, *rest = style.split("/*")
    return first + "".join(each.partition("*/")[2] for each in rest)


def _unescaped(match: re.Match[str]) -> str:
    code, letter = match.groups()
    if letter is not None:
        return str(letter)
    number = int(code, 16)
    return chr(number).lower() if number < 0x110000 else ""


# Style sheets.

_LAST_SIMPLE = re.compile(r"([#.]?)([a-z][\w-]*|\*)(?::{1,2}([a-z-]+))?(?:\([^)]*\))?\s*$")
_SAYS_WORDS = re.compile(r"content\s*:\s*[^;]{0,200}\w")
_LONGEST_SELECTOR_CHARS = 100


@dataclass(frozen=True)
class Sheet:
    """What a style sheet says: looks by ``tag``, ``.class``, ``#id`` or ``*``.

    Attributes:
        looks: The looks that hide, strike out or reorder; which of several wins is not asked.
        adds_words: Whether it puts words before or after something.
    """

    looks: dict[str, Look]
    adds_words: bool


EMPTY_SHEET = Sheet({}, False)


def read_sheet(css: str) -> Sheet:
    """Read the rules of style sheets that matter here; linear, never raises."""
    looks: dict[str, Look] = {}
    adds_words = False
    for rule in _plain(css).split("}"):
        head, _, declarations = rule.rpartition("{")
        selectors = head.rpartition("{")[2].rpartition(";")[2]
        look = _at_worst(look_of(declarations))
        for name, pseudo in _subjects(selectors):
            if pseudo in ("before", "after"):
                adds_words = adds_words or _SAYS_WORDS.search(declarations) is not None
            elif look != PLAIN and pseudo is None:
                looks[name] = _either(looks.get(name, PLAIN), look)
    return Sheet(looks, adds_words)


def _at_worst(look: Look) -> Look:
    pale = look.colour is not None and are_alike(look.colour, look.background or WHITE)
    return Look(look.hidden or pale, look.struck, look.reordered)


def _either(one: Look, other: Look) -> Look:
    return Look(one.hidden or other.hidden, one.struck or other.struck, one.reordered or other.reordered)


def _subjects(selectors: str) -> Iterator[tuple[str, str | None]]:
    for selector in selectors.split(","):
        found = _LAST_SIMPLE.search(selector.strip()[-_LONGEST_SELECTOR_CHARS:])
        if found:
            yield found.group(1) + found.group(2), found.group(3)
