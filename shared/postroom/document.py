"""JSON as commands print it (pure)."""

import json
from typing import Any


def json_document(value: Any) -> str:
    """The value as one JSON document, in ASCII: what strangers wrote steers no terminal and turns no line.

    Control characters are escaped, C1 and DEL too, and so are marks of direction and whatever is invisible.
    """
    return json.dumps(value, indent=2, default=str)
