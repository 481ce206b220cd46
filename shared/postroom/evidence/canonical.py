"""JSON with exactly one spelling, so that its hash says what it says (pure).

Keys in the order of their code points, no blanks, no escapes but those that JSON demands, UTF-8, numbers as
short as they can be without becoming others.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

Value = None | bool | int | float | str | Sequence["Value"] | Mapping[str, "Value"]
Document = Mapping[str, Value]


def canonical(value: Value) -> bytes:
    """The one spelling of a value.

    Raises:
        TypeError, ValueError: it holds something that JSON does not have.
    """
    text = json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        check_circular=False,
    )
    # Half of a surrogate pair has no spelling in UTF-8, nor is it a character.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def fingerprint(value: Value) -> str:
    """The SHA-256 of a value's spelling, as hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def parse(data: bytes) -> Value:
    """The value of canonical JSON.

    Raises:
        ValueError: it is no JSON, or not spelled canonically.
    """
    try:
        value: Value = json.loads(data.decode())
        spelled = canonical(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("it is not the JSON that was written") from error
    if spelled != data:
        raise ValueError("it is JSON, and not spelled as it was written")
    return value
