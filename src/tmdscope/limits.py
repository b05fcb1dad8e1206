"""How much is read of anything that others made: bytes, pixels and seconds. docs/security.md lists them."""

MAX_TEXT_BYTES = 1 << 26
"""Largest settings, manifest, JSON or listing (64 MiB): a manifest of a million images has about as much."""

MAX_SPLIT_BYTES = 1 << 29
"""Largest split (512 MiB): one of a million images in five folds takes about 100 MiB."""

MAX_PIXELS = 1 << 26
"""Largest picture or channel that is decoded (8192 x 8192): beyond it, a small file may be a bomb."""

MAX_PICTURE_BYTES = 8 * MAX_PIXELS
"""Largest picture file: the largest picture in double precision (512 MiB)."""

MAX_SCAN_BYTES = 1 << 30
"""Largest instrument file (1 GiB)."""

MAX_TAGS = 1 << 20
"""Most numbers in the tags of a TIFF or of Exif: 1024 x 1024 strips or tiles have two each."""

MAX_CHUNKS = 1 << 16
"""Most chunks of a PNG: the largest picture in chunks of 8 KiB has fewer."""

MAX_JPEG_SCANS = 64
"""Most scans of a progressive JPEG, each of which goes through the whole picture: encoders write about 10."""

MAX_ROWS = 1 << 20
"""Most lines of a manifest."""

MAX_COLUMNS = 1000
"""Most columns of a manifest."""

MAX_CHANNELS = 10_000
"""Most channels of an instrument's file, each frame of a movie being one."""

MAX_TOLD = 200
"""Most problems that one message lists."""

READER_MEMORY_BYTES, READER_MEMORY_PER_BYTE = 256 << 20, 24
"""Address space that the reader of an instrument's file may take, and more for each byte of the file."""

READER_CPU_S, READER_CPU_S_PER_BYTE = 0.7, 1 / (16 << 20)
"""Processor time that it may take, and more for each byte of the file."""

READER_WAIT_S, READER_WAIT_S_PER_BYTE = 120.0, 1e-6
"""How long its process may take in all, busy machine and imports included, before it is ended."""

PATTERN_S, PATTERN_BYTES = 5.0, 1 << 30
"""How long a regular expression that a user gives may search all paths, and its address space."""

CONTENT_SHARE, WORK_SHARE = 0.25, 0.5
"""Parts of the memory at hand for the files that threads hold, and for what they make of them."""

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

MAX_SETTINGS_BYTES = 1 << 20
"""Largest params.yaml or profile (1 MiB): they have some 10 kB."""

MAX_SETTINGS_VALUES = 100_000
"""Most values in settings, counted as often as aliases repeat them."""

MAX_SETTINGS_MERGES = 100
"""Most merge keys (``<<``) of settings: each may copy all that those before it have."""

MAX_SETTINGS_DEPTH = 50
"""Most levels of settings."""

MAX_TABLE_BYTES = 1 << 31
"""Largest table, as a file and decompressed (2 GiB)."""

MAX_TABLE_CELLS = 1 << 28
"""Most values of a Parquet table: repeated ones take no room in its file."""

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
