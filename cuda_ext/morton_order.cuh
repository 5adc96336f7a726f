// Points in an order that keeps near ones together.
#pragma once

#include "clouds.cuh"
#include "radix_sort.cuh"

namespace geoad {

// What the ordering works in; `order` (count) holds the result: row numbers, cloud after cloud.
struct MortonSpace {
  uint32_t* bounds;  // (clouds, 6)
  int axis_bits, key_bits;
  SortSpace sort;
  const uint32_t* order;

  MortonSpace(Workspace& workspace, int64_t count, int64_t clouds);

 private:
  MortonSpace(Workspace& workspace, int64_t count, int64_t clouds, int cloud_bits);
};

// Orders points (count, 3) by cloud, by Morton code in the cloud's bounding cube, then by row. Rows with a coordinate
// that is not finite come last in their cloud.
cudaError_t morton_order(const MortonSpace& space, const float* points, int64_t count, Clouds clouds,
                         cudaStream_t stream);

}  // namespace geoad
