"""Tracked, reproducible transfer learning for microscopy of two-dimensional materials."""

__version__ = "0.1.0"
