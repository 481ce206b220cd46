"""Says which addresses a mail is judged by: `python -m postroom_processor.authors <MAIL`.

The mail, or its beginning, comes on standard input; a JSON object goes to standard output: `sender`, the only
strictly read author or null, and `addresses`, those that deny lists are asked about.
"""

import json
import sys

from postroom_processor.claimed_addresses import claimed_addresses
from postroom_processor.mail import read_head
from postroom_processor.read_limits import HEADER_BYTES
from postroom_processor.sender_address import only_sender


def main() -> int:
    """Read the mail and print its addresses."""
    mail = read_head(sys.stdin.buffer.read(HEADER_BYTES + len(b"\r\n\r\n")))
    sender = only_sender(mail)
    addresses = (sender,) if sender else claimed_addresses(mail)
    sys.stdout.write(json.dumps({"sender": sender, "addresses": addresses}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
