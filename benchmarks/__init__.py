"""Measurements of our code against a plain alternative, taken in turn in one run (docs/performance.md)."""
