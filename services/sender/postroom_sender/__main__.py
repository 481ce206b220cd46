"""`python -m postroom_sender`."""

import sys

from postroom_sender.app import main

if __name__ == "__main__":
    sys.exit(main())
