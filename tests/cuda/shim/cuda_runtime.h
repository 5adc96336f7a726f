// The part of CUDA that cuda_ext uses, on the CPU, for tests: found by #include <cuda_runtime.h> when g++ compiles.
//
// A block's threads are fibers that run one at a time until they meet a barrier or a warp collective. The order in which
// they are resumed is chosen by shim_order: forward and backward take one warp after the other, each as far as it can
// go, shuffled takes all threads in turn. Code that needs a barrier where there is none gives another result in one. Lanes that meet different collectives, a barrier that not all threads
// reach, and a partial mask end the launch with an error. Shared memory and stacks are poisoned before each block.
#pragma once

#define GEOAD_SHIM 1

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <algorithm>

using std::max;
using std::min;

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct uint3 {
  unsigned x, y, z;
};
struct int2 {
  int x, y;
};
struct uint2 {
  unsigned x, y;
};
struct int4 {
  int x, y, z, w;
} __attribute__((aligned(16)));
struct float2 {
  float x, y;
} __attribute__((aligned(8)));
struct float3 {
  float x, y, z;
};
struct float4 {
  float x, y, z, w;
} __attribute__((aligned(16)));
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

// --- the runtime -----------------------------------------------------------------------------------------------------

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorLaunchFailure = 719 };
enum cudaMemcpyKind { cudaMemcpyDeviceToDevice = 3, cudaMemcpyDefault = 4 };
struct cudaFuncAttributes {};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16, cudaDevAttrMaxSharedMemoryPerBlockOptin = 97 };
typedef struct shim_stream* cudaStream_t;

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
};

const char* cudaGetErrorString(cudaError_t code);
cudaError_t cudaGetLastError();
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  memset(to, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  memmove(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? 4 : 99 * 1024;
  return cudaSuccess;
}
template <typename Function>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, Function) {
  return cudaSuccess;
}
template <typename Function>
cudaError_t cudaFuncSetAttribute(Function, cudaFuncAttribute, int) {
  return cudaSuccess;
}

// --- launching -------------------------------------------------------------------------------------------------------

cudaError_t shim_launch(const cudaLaunchConfig_t* config, void (*run)(void*), void* closure);

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments... arguments) {
  auto body = [=] { kernel(static_cast<Parameters>(arguments)...); };
  return shim_launch(config, [](void* closure) { (*static_cast<decltype(body)*>(closure))(); }, &body);
}

namespace geoad {
unsigned char* shim_dynamic_shared();
template <typename T>
inline T* dynamic_shared() {
  return reinterpret_cast<T*>(shim_dynamic_shared());
}
}  // namespace geoad

// --- barriers and collectives ----------------------------------------------------------------------------------------

enum shim_collective { SHIM_SYNC, SHIM_BALLOT, SHIM_SHUFFLE, SHIM_SHUFFLE_UP, SHIM_SHUFFLE_DOWN, SHIM_SHUFFLE_XOR, SHIM_REDUCE, SHIM_MATCH };

void __syncthreads();
int __syncthreads_or(int predicate);
int __syncthreads_count(int predicate);

// Every lane of the warp brings a value and sees those of all 32.
const uint64_t* shim_exchange(unsigned mask, shim_collective kind, uint64_t value);
unsigned shim_lane();

template <typename T>
uint64_t shim_pack(T value) {
  static_assert(sizeof(T) <= 8, "a lane brings at most 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <typename T>
T shim_unpack(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof(T));
  return value;
}

inline void __syncwarp(unsigned mask = 0xffffffffu) { shim_exchange(mask, SHIM_SYNC, 0); }
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const uint64_t* all = shim_exchange(mask, SHIM_BALLOT, predicate != 0);
  unsigned bits = 0;
  for (int lane = 0; lane < 32; lane++) bits |= unsigned(all[lane]) << lane;
  return bits;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == 0xffffffffu; }
template <typename T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  const unsigned lane = shim_lane();
  const uint64_t* all = shim_exchange(mask, SHIM_SHUFFLE, shim_pack(value));
  return shim_unpack<T>(all[(lane & ~unsigned(width - 1)) | (unsigned(from) & unsigned(width - 1))]);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const unsigned lane = shim_lane();
  const uint64_t* all = shim_exchange(mask, SHIM_SHUFFLE_UP, shim_pack(value));
  return shim_unpack<T>(all[(lane & unsigned(width - 1)) < by ? lane : lane - by]);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const unsigned lane = shim_lane();
  const uint64_t* all = shim_exchange(mask, SHIM_SHUFFLE_DOWN, shim_pack(value));
  return shim_unpack<T>(all[(lane & unsigned(width - 1)) + by >= unsigned(width) ? lane : lane + by]);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int by, int width = 32) {
  const unsigned lane = shim_lane(), other = lane ^ unsigned(by);
  const uint64_t* all = shim_exchange(mask, SHIM_SHUFFLE_XOR, shim_pack(value));
  return shim_unpack<T>(all[(other & ~unsigned(width - 1)) > (lane & ~unsigned(width - 1)) ? lane : other]);
}
template <typename T, typename Join>
T shim_reduce(unsigned mask, T value, Join join) {
  const uint64_t* all = shim_exchange(mask, SHIM_REDUCE, shim_pack(value));
  T result = shim_unpack<T>(all[0]);
  for (int lane = 1; lane < 32; lane++) result = join(result, shim_unpack<T>(all[lane]));
  return result;
}
#define SHIM_REDUCTION(name, expression)                            \
  inline unsigned name(unsigned mask, unsigned value) {             \
    return shim_reduce(mask, value, [](unsigned a, unsigned b) { return expression; }); \
  }                                                                 \
  inline int name(unsigned mask, int value) {                       \
    return shim_reduce(mask, value, [](int a, int b) { return expression; }); \
  }
SHIM_REDUCTION(__reduce_min_sync, a < b ? a : b)
SHIM_REDUCTION(__reduce_max_sync, a < b ? b : a)
SHIM_REDUCTION(__reduce_add_sync, a + b)
SHIM_REDUCTION(__reduce_or_sync, a | b)
#undef SHIM_REDUCTION
template <typename T>
unsigned __match_any_sync(unsigned mask, T value) {
  const uint64_t* all = shim_exchange(mask, SHIM_MATCH, shim_pack(value));
  unsigned bits = 0;
  for (int lane = 0; lane < 32; lane++) bits |= unsigned(all[lane] == shim_pack(value)) << lane;
  return bits;
}

// --- atomics: fibers do not interrupt each other ---------------------------------------------------------------------

inline void __threadfence() {}
inline void __threadfence_block() {}
template <typename T, typename U>
T atomicAdd(T* place, U value) {
  const T old = *place;
  *place = T(old + T(value));
  return old;
}
template <typename T, typename U>
T atomicMin(T* place, U value) {
  const T old = *place;
  *place = min(old, T(value));
  return old;
}
template <typename T, typename U>
T atomicMax(T* place, U value) {
  const T old = *place;
  *place = max(old, T(value));
  return old;
}
template <typename T, typename U>
T atomicOr(T* place, U value) {
  const T old = *place;
  *place = T(old | T(value));
  return old;
}
template <typename T, typename U>
T atomicExch(T* place, U value) {
  const T old = *place;
  *place = T(value);
  return old;
}
template <typename T, typename U, typename V>
T atomicCAS(T* place, U compare, V value) {
  const T old = *place;
  if (old == T(compare)) *place = T(value);
  return old;
}

// --- arithmetic ------------------------------------------------------------------------------------------------------

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline int __float_as_int(float a) { return shim_unpack<int>(shim_pack(a)); }
inline unsigned __float_as_uint(float a) { return shim_unpack<unsigned>(shim_pack(a)); }
inline float __int_as_float(int a) { return shim_unpack<float>(shim_pack(a)); }
inline float __uint_as_float(unsigned a) { return shim_unpack<float>(shim_pack(a)); }
inline int __ffs(unsigned bits) { return __builtin_ffs(int(bits)); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __popcll(uint64_t bits) { return __builtin_popcountll(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(unsigned(bits)); }
inline int __clzll(long long bits) { return bits == 0 ? 64 : __builtin_clzll((unsigned long long)bits); }
inline unsigned umin(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned umax(unsigned a, unsigned b) { return a < b ? b : a; }
template <typename T>
T __ldg(const T* place) {
  return *place;
}
