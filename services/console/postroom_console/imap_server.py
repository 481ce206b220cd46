"""Runs pymap with one empty mailbox, in memory: `python -m postroom_console.imap_server PORT USER`.

The password comes in the environment, so that no list of processes shows it.
"""

import logging
import os
import sys

from postroom_console.ports import LOOPBACK

PASSWORD_VARIABLE = "POSTROOM_DEMO_PASSWORD"  # noqa: S105 - the name, not the password


def main() -> None:
    """Serve until SIGTERM."""
    # Here, so that the name of the variable is to be had without loading a mail server.
    from pymap.main import main as run_pymap

    port, user = sys.argv[1:]
    logging.disable(logging.WARNING)
    sys.argv = ["pymap", "--no-tls", "--host", LOOPBACK, "--port", port]
    sys.argv += ["dict", f"--demo-user={user}", f"--demo-password={os.environ[PASSWORD_VARIABLE]}"]
    run_pymap()


if __name__ == "__main__":
    main()
