"""Runs a module that ends with the process that started it.

Called as `python -m postroom_console.leash MODULE [ARGUMENT…]`. Standard input is a pipe whose other end
only the starter holds. When the starter is gone, however it died, the pipe ends, and the module gets SIGTERM,
as if the starter had asked it to stop.
"""

import os
import runpy
import signal
import sys
import threading
import time

GRACE_S = 30.0


def main() -> None:
    """Run the module named by the first argument as `__main__`."""
    module, *arguments = sys.argv[1:]
    threading.Thread(target=_end_with_starter, name="leash", daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_starter() -> None:
    while os.read(0, 512):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    main()
