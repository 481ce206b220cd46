"""Entry: `python -m postroom_processor`."""

import sys

from postroom_processor.app import main

sys.exit(main())
