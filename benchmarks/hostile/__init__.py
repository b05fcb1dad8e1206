"""Hostile inputs at every door: each is refused with a message or read rightly, within seconds and memory."""
