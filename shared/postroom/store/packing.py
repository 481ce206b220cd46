"""Mails as the store keeps them: compressed, quickly, since a transaction waits for it."""

import zlib

_FAST = 1  # text shrinks to a third already; the rest would take several times as long
_SMALL_BYTES = 4096
# A window of 4 KiB needs 30 KiB of memory; to set up the usual 256 KiB takes longer than a small mail.
_SMALL_WINDOW = 12
_SMALL_MEMORY = 5


def packed(content: bytes) -> bytes:
    """The content in the zlib format (RFC 1950); `zlib.decompress` unpacks it."""
    if len(content) > _SMALL_BYTES:
        return zlib.compress(content, _FAST)
    compressor = zlib.compressobj(_FAST, zlib.DEFLATED, _SMALL_WINDOW, _SMALL_MEMORY)
    return compressor.compress(content) + compressor.flush()
