// A ragged batch: several clouds, one after the other.
#pragma once

#include "launch.cuh"

namespace geoad {

// Cloud c holds rows offsets[c] … offsets[c + 1] - 1. No offsets: one cloud of all rows.
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

}  // namespace geoad
