// Numbers in memory ↔ float32 in registers: 16-byte vectors of one type, and small tables (bias, style, noise …) of any type.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstring>

#include "launch.h"

namespace cuda_ops {

template <class T>
constexpr int LANES = 16 / sizeof(T);  // what one 128-bit access carries: 4 of float32, 8 of float16 and bfloat16

template <class T, int N>
struct alignas(N * sizeof(T)) Pack {
  T lane[N];
};

BOTH float widen(float value) {
  return value;
}
BOTH float widen(__half value) {
  return __half2float(value);
}
BOTH float widen(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <class T>
BOTH T narrow(float value);  // round to nearest, ties to even
template <>
BOTH float narrow<float>(float value) {
  return value;
}
template <>
BOTH __half narrow<__half>(float value) {
  return __float2half_rn(value);
}
template <>
BOTH __nv_bfloat16 narrow<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

BOTH void narrow_pair(float* to, float a, float b) {
  to[0] = a, to[1] = b;
}
BOTH void narrow_pair(__half* to, float a, float b) {
  *reinterpret_cast<__half2*>(to) = __floats2half2_rn(a, b);  // one instruction for both
}
BOTH void narrow_pair(__nv_bfloat16* to, float a, float b) {
  *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(a, b);
}

// N numbers through the read-only path: nothing that a kernel reads is written while it runs, and saying so lets the compiler move loads up.
template <int N, class T>
BOTH Pack<T, N> fetch(const T* from) {
  Pack<T, N> pack;
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(pack) == 16) {
    const uint4 word = __ldg(reinterpret_cast<const uint4*>(from));
    memcpy(&pack, &word, 16);
  } else if constexpr (sizeof(pack) == 8) {
    const uint2 word = __ldg(reinterpret_cast<const uint2*>(from));
    memcpy(&pack, &word, 8);
  } else if constexpr (sizeof(pack) == 4) {
    const unsigned word = __ldg(reinterpret_cast<const unsigned*>(from));
    memcpy(&pack, &word, 4);
  } else {
    const unsigned short word = __ldg(reinterpret_cast<const unsigned short*>(from));
    memcpy(&pack, &word, sizeof(pack));
  }
#else
  memcpy(&pack, from, sizeof(pack));
#endif
  return pack;
}

template <int N, class T>
BOTH void load(const T* from, float (&value)[N]) {
  const Pack<T, N> pack = fetch<N>(from);
  UNROLL
  for (int k = 0; k < N; ++k) value[k] = widen(pack.lane[k]);
}

template <int N, class T>
BOTH void store(T* to, const float (&value)[N]) {
  Pack<T, N> pack;
  if constexpr (N == 1) {
    pack.lane[0] = narrow<T>(value[0]);
  } else {
    UNROLL
    for (int k = 0; k < N; k += 2) narrow_pair(&pack.lane[k], value[k], value[k + 1]);
  }
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

enum class Kind { float32, float16, bfloat16 };

// A small table whose type is known at run time only: it need not be the picture's (a bias in float32 beside activations in float16).
struct Table {
  const void* data = nullptr;  // nullptr: absent
  Kind kind = Kind::float32;
  bool aligned = false;  // to 16 bytes

  BOTH explicit operator bool() const {
    return data != nullptr;
  }
};

template <int N, class T>
BOTH void read_as(const void* data, bool aligned, int64_t at, float (&value)[N]) {
  const T* from = static_cast<const T*>(data) + at;
  if (!aligned) {
    UNROLL
    for (int k = 0; k < N; ++k) value[k] = widen(fetch<1>(from + k).lane[0]);
    return;
  }
  constexpr int WIDTH = N < LANES<T> ? N : LANES<T>;
  UNROLL
  for (int begin = 0; begin < N; begin += WIDTH) {
    const Pack<T, WIDTH> pack = fetch<WIDTH>(from + begin);
    UNROLL
    for (int k = 0; k < WIDTH; ++k) value[begin + k] = widen(pack.lane[k]);
  }
}

// value = table[at : at + N]; `at` is a multiple of N. Where there is no table: otherwise.
template <int N>
BOTH void read(const Table& table, int64_t at, float otherwise, float (&value)[N]) {
  if (!table) {
    UNROLL
    for (int k = 0; k < N; ++k) value[k] = otherwise;
  } else if (table.kind == Kind::float32) {
    read_as<N, float>(table.data, table.aligned, at, value);
  } else if (table.kind == Kind::float16) {
    read_as<N, __half>(table.data, table.aligned, at, value);
  } else {
    read_as<N, __nv_bfloat16>(table.data, table.aligned, at, value);
  }
}

BOTH float read_one(const Table& table, int64_t at, float otherwise) {
  float value[1];
  read<1>(table, at, otherwise, value);
  return value[0];
}

// The smaller and the larger of two numbers; NaN stays NaN, as in torch.clamp (fminf and fmaxf would hide it).
BOTH float smaller(float a, float b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float value;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(value) : "f"(a), "f"(b));
  return value;
#else
  return a < b || a != a ? a : b;
#endif
}
BOTH float larger(float a, float b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float value;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(value) : "f"(a), "f"(b));
  return value;
#else
  return a > b || a != a ? a : b;
#endif
}
BOTH float within(float value, float limit) {
  return larger(smaller(value, limit), -limit);
}

// y = clamp(gain · leaky(v; slope), ±limit)
struct Activation {
  float positive, negative, limit;

  Activation(double slope, double gain, double clamp)
      : positive(float(gain)), negative(float(gain * slope)), limit(clamp < 0 ? INFINITY : float(clamp)) {}
  BOTH float operator()(float value) const {
    return within(value * (value < 0.f ? negative : positive), limit);
  }
};

}  // namespace cuda_ops
