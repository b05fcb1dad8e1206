"""Tests of the study on growth temperatures."""
