"""How much is read of anything that others made: bytes, pixels and seconds. docs/security.md lists them."""

MAX_TEXT_BYTES = 1 << 26
"""Largest settings, manifest, JSON or listing (64 MiB): a manifest of a million images has about as much."""

MAX_PIXELS = 1 << 26
"""Largest picture or channel that is decoded (8192 x 8192): beyond it, a small file may be a bomb."""

MAX_PICTURE_BYTES = 8 * MAX_PIXELS
"""Largest picture file: the largest picture in double precision (512 MiB)."""

MAX_SCAN_BYTES = 1 << 30
"""Largest instrument file (1 GiB)."""

MAX_REQUEST_BYTES = 1 << 27
"""Largest body of a scoring request (128 MiB): about 600 images of 224 pixels as JSON."""

MAX_BODIES_BYTES = 2 * MAX_REQUEST_BYTES
"""Most bytes of bodies that are held for all scoring requests together."""

MAX_REQUEST_IMAGES = 4096
"""Most images of one scoring request."""

MAX_CONNECTIONS = 512
"""Most connections to the scoring server; one more is closed at once."""

HEADER_SECONDS = 10
"""How long a connection may take to begin a request, and to end a body that was answered early."""

BODY_SECONDS = 30
"""How long the body of a scoring request may take to arrive."""

ANSWER_SECONDS = 120
"""How long a scoring request may wait for its answer once its body is there."""
