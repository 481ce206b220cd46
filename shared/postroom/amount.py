"""How many of something, in words (pure)."""


def amount(count: int, one: str, many: str = "") -> str:
    """`1 line`, `2 lines`; `many` where that is not `one` with an s: `1 address`, `2 addresses`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
