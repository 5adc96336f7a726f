// Kernels with the faults that the shim must see, and one without, for tests/cuda/test_shim.py.
#include "launch.cuh"

namespace geoad {

// The sum of a block's threads' numbers; without the barrier it depends on the order of the threads.
__global__ void block_sum(int* out, int barrier) {
  __shared__ int held[64];
  held[threadIdx.x] = int(threadIdx.x) + 1;
  if (barrier) __syncthreads();
  int sum = 0;
  for (int i = 0; i < int(blockDim.x); i++) sum += held[(threadIdx.x + i) % blockDim.x];
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
  __syncthreads();
  held[threadIdx.x] = 0;
}

__global__ void warp_prefix(int* out) {
  const int lane = int(threadIdx.x) % WARP;
  int sum = 1;
  for (int by = 1; by < WARP; by *= 2) {
    const int below = __shfl_up_sync(ALL, sum, by);
    if (lane >= by) sum += below;
  }
  const unsigned odd = __ballot_sync(ALL, lane % 2);
  out[threadIdx.x] = sum + (odd == 0xaaaaaaaau ? 0 : 1000) + 1000 * (__reduce_max_sync(ALL, lane) - 31);
}

// Each warp reads what the other wrote, twice; with one buffer, a warp that runs ahead overwrites what was not yet read.
__global__ void tell_the_other(int* out, int buffers) {
  __shared__ int held[2][2];
  const int lane = int(threadIdx.x) % WARP, warp = int(threadIdx.x) / WARP;
  int sum = 0;
  for (int turn = 1; turn <= 2; turn++) {
    if (lane == 0) held[turn % buffers][warp] = turn;
    __syncthreads();
    sum += __reduce_max_sync(ALL, held[turn % buffers][1 - warp]);
  }
  out[threadIdx.x] = sum;
}

__global__ void half_a_barrier() {
  if (threadIdx.x < 16) __shfl_sync(ALL, 1, 0);
}

__global__ void two_collectives() {
  if (threadIdx.x < 16)
    __shfl_sync(ALL, 1, 0);
  else
    __ballot_sync(ALL, 1);
}

__global__ void part_of_a_warp() {
  if (threadIdx.x < 16) __shfl_sync(0xffffu, 1, 0);
}

}  // namespace geoad

using namespace geoad;

GEOAD_API int64_t shim_block_sum(int* out, int64_t barrier, cudaStream_t stream) {
  return launch(stream, 3, 64, 0, block_sum, out, int(barrier));
}
GEOAD_API int64_t shim_warp_prefix(int* out, cudaStream_t stream) { return launch(stream, 1, 64, 0, warp_prefix, out); }
GEOAD_API int64_t shim_tell_the_other(int* out, int64_t buffers, cudaStream_t stream) {
  return launch(stream, 1, 64, 0, tell_the_other, out, int(buffers));
}
GEOAD_API int64_t shim_half_a_barrier(cudaStream_t stream) { return launch(stream, 1, 32, 0, half_a_barrier); }
GEOAD_API int64_t shim_two_collectives(cudaStream_t stream) { return launch(stream, 1, 32, 0, two_collectives); }
GEOAD_API int64_t shim_part_of_a_warp(cudaStream_t stream) { return launch(stream, 1, 32, 0, part_of_a_warp); }
GEOAD_API int64_t shim_odd_block(cudaStream_t stream) { return launch(stream, 1, 33, 0, half_a_barrier); }
