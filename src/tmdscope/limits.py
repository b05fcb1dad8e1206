"""How much is read of anything that others made: bytes, pixels and seconds. docs/security.md lists them."""

MAX_TEXT_BYTES = 1 << 26
"""Largest settings, manifest, JSON or listing (64 MiB): a manifest of a million images has about as much."""

MAX_PIXELS = 1 << 26
"""Largest picture or channel that is decoded (8192 x 8192): beyond it, a small file may be a bomb."""

MAX_PICTURE_BYTES = 8 * MAX_PIXELS
"""Largest picture file: the largest picture in double precision (512 MiB)."""

MAX_SCAN_BYTES = 1 << 30
"""Largest instrument file (1 GiB)."""

MAX_SETTINGS_BYTES = 1 << 20
"""Largest params.yaml or profile (1 MiB): they have some 10 kB."""

MAX_SETTINGS_VALUES = 100_000
"""Most values in settings, counted as often as aliases repeat them."""

MAX_SETTINGS_DEPTH = 50
"""Most levels of settings."""

MAX_TABLE_BYTES = 1 << 31
"""Largest table, as a file and decompressed (2 GiB)."""

MAX_TABLE_CELLS = 1 << 28
"""Most values of a Parquet table: repeated ones take no room in its file."""
