"""Descriptors of Table 5: of 8-bit images as the paper computes them, and as quantities of heights."""
