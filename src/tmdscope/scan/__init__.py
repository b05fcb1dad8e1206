"""What an instrument measures, and the simulator that stands in for one."""
