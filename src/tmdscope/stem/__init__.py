"""Scanning transmission electron microscopy of single layers: frames, lattice, defects, tracks, rates."""
