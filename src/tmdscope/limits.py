"""How much is read of anything that others made: bytes, pixels and seconds. docs/security.md lists them."""

MAX_TEXT_BYTES = 1 << 26
"""Largest settings, manifest, JSON or listing (64 MiB): a manifest of a million images has about as much."""

MAX_PIXELS = 1 << 26
"""Largest picture or channel that is decoded (8192 x 8192): beyond it, a small file may be a bomb."""

MAX_PICTURE_BYTES = 8 * MAX_PIXELS
"""Largest picture file: the largest picture in double precision (512 MiB)."""

MAX_SCAN_BYTES = 1 << 30
"""Largest instrument file (1 GiB)."""

MAX_ARCHIVE_BYTES = 1 << 36
"""Largest file of a record, and largest archive when it is unpacked (64 GiB)."""

MAX_RATIO = 250
"""Unpacked over packed size. Three equal channels in double precision pack about 50 : 1, a bomb 1000 : 1."""

MAX_MEMBERS = 200_000
"""Files and folders in one archive: the published ones hold about a thousand images."""

MAX_UNPACK_S = 3600.0
"""Seconds that unpacking one archive may take, without what is done with its files."""

MAX_WEIGHTS_BYTES = 1 << 30
"""Largest file of published weights (1 GiB): a ResNet152's has 0.23 GiB."""

MAX_LISTING_BYTES = 1 << 23
"""Largest listing of a record's files (8 MiB): a file takes about 500 bytes of it."""

MAX_PICKLE_STEPS = 1_000_000
"""Instructions of one pickle: the authors' tables have about 20,000."""

SILENCE_S = 30.0
"""Seconds without a byte after which a server counts as gone."""

MIN_RATE_BYTES_S = 1024
"""Bytes a second that a server must send, over every `SILENCE_S` seconds."""

MAX_DOWNLOAD_S = 86_400.0
"""Seconds that one file may take (a day)."""

MAX_HEADER_BYTES = 1 << 16
"""What a server may say before and between the bytes of a file, and a tar's header of one name (64 KiB)."""
