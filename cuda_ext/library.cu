// What the library says of itself.
#include "launch.cuh"

// Raised whenever the meaning of an exported function changes: the Python side refuses another one.
GEOAD_API int64_t geoad_abi_version() { return 3; }

namespace {
__global__ void nothing() {}
}  // namespace

// Returns the error with which every launch would fail: a driver too old, or no code for the current device.
GEOAD_API int64_t geoad_usable() {
  cudaFuncAttributes found;
  return cudaFuncGetAttributes(&found, nothing);
}

GEOAD_API const char* geoad_error(int64_t code) { return cudaGetErrorString(cudaError_t(code)); }
