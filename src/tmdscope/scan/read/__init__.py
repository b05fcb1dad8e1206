"""Raw files of instruments: what they are, readers of each, and the one entry that gives a Scan."""
