"""Where in an image a network finds its reasons, and how far such maps can be trusted."""
