"""Verbs of studies on images."""
