"""The errors of Postroom, named by who acts on them.

    PostroomError
    ├── Transient       nobody: it is tried again after a delay
    ├── Permanent       the operator: the message goes to quarantine with the reason
    │   └── Undecodable a message that does not follow the contract
    └── Misconfigured   the account's owner: the account turns red

Foreign errors (sockets, IMAP, SMTP, SQL) are translated into these at the adapter that saw them. What a
stranger's mail does is never one of these: it is an outcome.
"""


class PostroomError(Exception):
    """Root of the tree; its text is a sentence for a person."""


class Transient(PostroomError):
    """Will probably pass by itself. `retry_after_s` is the other side's own wish, if it gave one."""

    def __init__(self, sentence: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Permanent(PostroomError):
    """Will never succeed as it is; a person has to look."""


class Undecodable(Permanent):
    """A message whose headers or body do not follow the contract; the text says which rule."""


class Misconfigured(PostroomError):
    """A setting is wrong. `reason_code` is stable for machines, the text is for people."""

    def __init__(self, reason_code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason_code = reason_code
