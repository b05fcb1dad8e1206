"""What a score is worth: duplicates, groups, confounds, campaigns, drift, learning curve, folds, verdict."""
