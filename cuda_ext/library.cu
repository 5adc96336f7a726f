// What the library says of itself.
#include "launch.cuh"

// Raised whenever the meaning of an exported function changes: the Python side refuses another one.
GEOAD_API int64_t geoad_abi_version() { return 2; }

GEOAD_API const char* geoad_error(int64_t code) { return cudaGetErrorString(cudaError_t(code)); }
