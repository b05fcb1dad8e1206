"""Materials that are added to a classifier one after another, beside classifiers that see all at once."""
