"""Images with their samples and classes: on disk, from their sources, split and audited."""
