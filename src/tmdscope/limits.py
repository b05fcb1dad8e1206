"""How much is read of a file that others made: bytes and pixels."""

MAX_PIXELS = 1 << 26
"""Largest picture or channel that is decoded (8192 x 8192): beyond it, a small file may be a bomb."""

MAX_PICTURE_BYTES = 8 * MAX_PIXELS
"""Largest picture file: the largest picture in double precision (512 MiB)."""

MAX_SCAN_BYTES = 1 << 30
"""Largest instrument file (1 GiB)."""
