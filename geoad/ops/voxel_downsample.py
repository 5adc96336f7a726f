class Downsampled: pass
def voxel_downsample(): pass
