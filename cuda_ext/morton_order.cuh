// Points in an order that keeps near ones together.
#pragma once

#include "radix_sort.cuh"

namespace geoad {

// The clouds of a ragged batch: cloud c holds rows offsets[c] … offsets[c + 1] - 1. No offsets: one cloud of all rows.
struct Clouds {
  const int64_t* offsets;
  int64_t number;

  __device__ __forceinline__ int64_t of(int64_t row) const {  // the one that is not empty, if several start here
    int64_t low = 0, high = offsets == nullptr ? 1 : number;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      if (offsets[middle] <= row)
        low = middle;
      else
        high = middle;
    }
    return low;
  }
};

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
