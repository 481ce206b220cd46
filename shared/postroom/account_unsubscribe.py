"""How the recipients of an account's bulk mail end it (pure)."""

import re

from pydantic import Field, field_validator

from postroom.account_values import Section
from postroom.addresses import Address

TAG_PLACE = "{tag}"
_URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?](?:[!#-;=?-z~|]|\{tag\})*)?")


class Unsubscribe(Section):
    """Where people write, or click, to get no more bulk mail of an account."""

    mailto: Address | None = Field(
        None,
        description="The address to write to; its mail must arrive in a mailbox that Postroom reads. "
        "Default: `reply_to`, or `address`.",
    )
    url: str | None = Field(
        None,
        max_length=700,
        description="Takes one click (RFC 8058): a POST of `List-Unsubscribe=One-Click`. `{tag}` in it "
        "becomes the mail's tag, which `postroom suppressions add --tag` takes.",
    )

    @field_validator("url")
    @classmethod
    def _https(cls, url: str | None) -> str | None:
        if url is not None and not _URL.fullmatch(url):
            raise ValueError("must be a URL that begins with https://, in ASCII; {tag} may stand in it")
        return url

    def link(self, tag: str) -> str | None:
        """The URL for one mail; None if there is none, or it needs a tag and there is no tag."""
        if self.url is None or (TAG_PLACE in self.url and not tag):
            return None
        return self.url.replace(TAG_PLACE, tag)
