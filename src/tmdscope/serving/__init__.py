"""The scoring server: MLflow's protocol, every request checked before it costs anything."""
