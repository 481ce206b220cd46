"""Entry: `python -m postroom_fetcher`."""

import sys

from postroom_fetcher.app import main

sys.exit(main())
