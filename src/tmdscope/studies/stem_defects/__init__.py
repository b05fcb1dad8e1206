"""Defects in movies of a scanning transmission electron microscope: found, named, followed."""
