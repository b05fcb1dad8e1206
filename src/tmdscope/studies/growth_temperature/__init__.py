"""Study `growth_temperature`."""
