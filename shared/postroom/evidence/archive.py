"""A ZIP file in which no byte is free: stored members, no times, no comments (pure).

The same members give the same bytes always, so whoever packs them again notices every difference, also in
the parts of a ZIP that programs ignore. Any unzip opens it. (PKWARE's APPNOTE.TXT, 4.3.7, 4.3.12, 4.3.16.)
"""

import struct
import zlib
from collections.abc import Mapping

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_SIGN, _CENTRAL_SIGN, _END_SIGN = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_NEEDED = 10  # the version of the format that knows stored members
_MIDNIGHT = (0, 0x21)  # 1980-01-01, the first time that a ZIP can tell
_FILE_MODE = 0o100600 << 16
_MADE_ON_UNIX = 3 << 8 | _NEEDED
LARGEST_BYTES = 2**32 - 1
MOST_MEMBERS = 2**16 - 1


def pack(members: Mapping[str, bytes]) -> bytes:
    """The ZIP file of the members, in their order. Names are ASCII.

    Raises:
        ValueError: it would be too large for a plain ZIP file (4 GiB).
    """
    if len(members) > MOST_MEMBERS or sum(map(len, members.values())) > LARGEST_BYTES // 2:
        raise ValueError("it is too large for one file")
    bodies: list[bytes] = []
    directory: list[bytes] = []
    offset = 0
    for name, content in members.items():
        raw = name.encode("ascii")
        described = (0, 0, *_MIDNIGHT, zlib.crc32(content), len(content), len(content), len(raw))
        body = [_LOCAL.pack(_LOCAL_SIGN, _NEEDED, *described, 0), raw, content]
        ends = (0, 0, 0, 0, _FILE_MODE, offset)
        directory += [_CENTRAL.pack(_CENTRAL_SIGN, _MADE_ON_UNIX, _NEEDED, *described, *ends), raw]
        bodies += body
        offset += sum(map(len, body))
    listed = b"".join(directory)
    end = _END.pack(_END_SIGN, 0, 0, len(members), len(members), len(listed), offset, 0)
    return b"".join((*bodies, listed, end))


def unpack(data: bytes) -> dict[str, bytes]:
    """The members of a file that `pack` made; whether it is unchanged only packing them again tells.

    Raises:
        ValueError: it is no such file, or damaged so that its members cannot be told apart.
    """
    members: dict[str, bytes] = {}
    position = 0
    while data[position : position + 4] == _LOCAL_SIGN:
        try:
            fields = _LOCAL.unpack_from(data, position)
        except struct.error as error:
            raise ValueError("it ends within a member") from error
        size, name_size = fields[8], fields[9]
        start = position + _LOCAL.size
        position = start + name_size + size
        if position > len(data):
            raise ValueError("it ends within a member")
        # Latin-1, since a damaged name must not end the search for the damage.
        members[data[start : start + name_size].decode("latin-1")] = data[start + name_size : position]
    if not members:
        raise ValueError("it is no bundle of evidence")
    return members
