"""Figures of a report, as PNG bytes."""
