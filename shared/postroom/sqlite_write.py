"""Beginning to write to an SQLite file that threads and processes share.

SQLite itself sleeps for longer and longer between two tries to get its lock, up to 100 ms. Transactions take
some milliseconds here, so a writer beside two busy ones comes too late each time; here it looks every two.
"""

import sqlite3
import time

BUSY_TIMEOUT_S = 30.0
_PRIMARY = 0xFF  # of an extended error code
_PAUSES_S = (0.0002, 0.0005, 0.001, 0.002)


def begin_write(database: sqlite3.Connection) -> None:
    """Begin a transaction that may write (BEGIN IMMEDIATE: a deferred one fails at once beside a writer).

    Raises:
        sqlite3.OperationalError: Others have kept the file locked for `BUSY_TIMEOUT_S`.
    """
    until = time.monotonic() + BUSY_TIMEOUT_S
    tries = 0
    database.execute("PRAGMA busy_timeout = 0")
    try:
        while not _begun(database, is_last=time.monotonic() > until):
            time.sleep(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
            tries += 1
    finally:
        database.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")


def _begun(database: sqlite3.Connection, *, is_last: bool) -> bool:
    try:
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if is_last or error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
