"""What a prediction is worth: cohort, metrics, intervals, paired comparison."""
