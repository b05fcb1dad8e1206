"""(To come)."""
