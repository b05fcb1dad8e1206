"""Ways to predict from stored features."""
