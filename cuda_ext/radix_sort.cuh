// A stable sort of 64-bit keys that carry 32-bit values.
#pragma once

#include "launch.cuh"

namespace geoad {

constexpr int DIGIT_BITS = 8;
constexpr int DIGITS = 1 << DIGIT_BITS;
constexpr int MOST_KEYS = (1 << 30) - 1;  // two bits of a word are taken

__host__ __device__ constexpr int passes_for(int key_bits) { return ceil_div(key_bits, DIGIT_BITS); }

// What a sort works in. `counters` must be zero when the histograms are made, from there to the end of `counter_bytes`.
struct SortSpace {
  uint64_t* keys[2];    // the caller fills the first
  uint32_t* values[2];  // the sorted values end in values[passes % 2]
  uint32_t* histograms;  // (passes, DIGITS): the caller counts its keys here
  uint32_t* tickets;     // (passes)
  uint32_t* states;      // (passes, tiles, DIGITS)
  int64_t counter_bytes;

  SortSpace(Workspace& workspace, int64_t count, int key_bits);
};

// Sorts by the lowest `key_bits`; the values of the unsorted keys are 0 … count - 1. Returns an error code.
cudaError_t sort_pairs(const SortSpace& space, int64_t count, int key_bits, cudaStream_t stream);

}  // namespace geoad
