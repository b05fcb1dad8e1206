"""How much is read of anything that others made: bytes, pixels and seconds. docs/security.md lists them."""

MAX_TEXT_BYTES = 1 << 26
"""Largest settings, manifest, JSON or listing (64 MiB): a manifest of a million images has about as much."""

MAX_PIXELS = 1 << 26
"""Largest picture or channel that is decoded (8192 x 8192): beyond it, a small file may be a bomb."""

MAX_PICTURE_BYTES = 8 * MAX_PIXELS
"""Largest picture file: the largest picture in double precision (512 MiB)."""

MAX_SCAN_BYTES = 1 << 30
"""Largest instrument file (1 GiB)."""

MAX_MODEL_BYTES = (1 << 32) - 1
"""Largest exported program of a model (4 GiB), and most that its networks take in memory."""

MAX_BESIDE_BYTES = 1 << 28
"""Largest other file of a model, such as its reference images (256 MiB)."""

MAX_CLASSES = 1000
"""Most classes of a model that is loaded, and most atoms."""

LOADING_MEMORY_BYTES = 1 << 34
"""Memory of the process that tries a model before it is promoted (16 GiB)."""

LOADING_S = 600
"""Seconds, by the clock and of the CPU, of that process."""
