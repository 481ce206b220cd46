"""Images that an HTML part shows from among the files of its own mail (pure; RFC 2392)."""

import re

# Where the page says so: in an attribute or a style, not in its text.
CID = re.compile(r"""(?P<before>["'(]\s*cid:)(?P<id>[A-Za-z0-9._-]+)""", re.IGNORECASE)


def asked(html: str) -> frozenset[str]:
    """The ids of the images that the page shows, in lower case."""
    return frozenset(match["id"].lower() for match in CID.finditer(html))
