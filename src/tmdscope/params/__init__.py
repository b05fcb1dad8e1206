"""Typed settings: what a `params.yaml` may hold."""
