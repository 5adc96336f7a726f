"""Methods on voxel grids: occupancy or mean colours."""
