"""Study `tmd_materials`."""
