"""Study `published_features`."""
