"""The verbs of a study."""
