"""Sections of the report of defects in STEM movies."""
