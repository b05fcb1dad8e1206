"""The TMD-AFM study on images."""
