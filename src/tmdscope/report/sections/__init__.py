"""Sections of reports: each a part in a file of its own."""
