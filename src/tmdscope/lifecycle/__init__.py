"""What happens to a registered model: compared, promoted, rolled back, served."""
