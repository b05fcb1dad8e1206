"""Search for settings with Optuna: spaces, studies that survive crashes, and what a trial is scored by."""
