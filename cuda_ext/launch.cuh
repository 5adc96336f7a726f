// What every kernel file needs: launching, errors, shared memory of a size known at run time, and a bump allocator for
// the workspace that the caller brings.
//
// The library is C from outside and knows neither torch nor Python: pointers, 64-bit sizes, a workspace and a stream
// come in, an error code goes out. Nothing here allocates, synchronises or chooses a device, so a call may be captured
// in a CUDA graph.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#define GEOAD_API extern "C" __attribute__((visibility("default")))

namespace geoad {

constexpr int WARP = 32;
constexpr unsigned ALL = 0xffffffffu;

template <typename Number>
__host__ __device__ constexpr Number ceil_div(Number a, Number b) {
  return (a + b - 1) / b;
}

// A function, not <<<>>>, so that the same source compiles as plain C++ in the tests.
template <typename... Parameters, typename... Arguments>
inline cudaError_t launch(cudaStream_t stream, dim3 grid, dim3 block, size_t shared_bytes,
                          void (*kernel)(Parameters...), Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaSuccess;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

// Returns the caller's error code at once.
#define GEOAD_TRY(call)                                  \
  do {                                                   \
    const cudaError_t geoad_error = (call);              \
    if (geoad_error != cudaSuccess) return geoad_error;  \
  } while (0)

#ifndef GEOAD_SHIM
template <typename T>
__device__ inline T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char geoad_dynamic_shared[];
  return reinterpret_cast<T*>(geoad_dynamic_shared);
}
#endif

// Cuts arrays out of the workspace, each aligned to 256 bytes. Over a null pointer it only adds up the sizes, so that one
// function both sizes and lays out a workspace.
class Workspace {
 public:
  explicit Workspace(void* base) : base_(static_cast<unsigned char*>(base)) {}

  template <typename T>
  T* take(int64_t count) {
    T* place = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += ceil_div<int64_t>(count * int64_t(sizeof(T)), 256) * 256;
    return place;
  }

  int64_t used() const { return used_; }

 private:
  unsigned char* base_;
  int64_t used_ = 0;
};

}  // namespace geoad
