"""What the report says of each stage of the study."""
