"""`python -m postroom_notifier`."""

import sys

from postroom_notifier.app import main

if __name__ == "__main__":
    sys.exit(main())
