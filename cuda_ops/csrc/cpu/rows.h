// What the kernels share: access to runs of numbers as vectors or, at their ends, one by one; and weighted sums of rows.
#pragma once

#include <cstdlib>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "simd.h"

namespace ISA {
namespace {

// Read and write V = Vec or float at any place of an array of float or bf16. Compilers make poor code of the general conversions to and
// from 16 bits, hence two forms by hand. NaNs are written without care for their payload: those that arithmetic makes stay NaN.
template <class V, class T>
inline V read(const T* from) {
  if constexpr (sizeof(V) == sizeof(float)) {
    return load_one(from);
  } else if constexpr (sizeof(T) == sizeof(float)) {
    return load(from);
  } else {
#if defined(__AVX512F__)
    return (Vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))), 16);
#elif defined(__AVX2__)
    return (Vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))), 16);
#else
    return load(from);
#endif
  }
}

template <class V, class T>
inline void write(T* to, V value) {
  if constexpr (sizeof(V) == sizeof(float)) {
    store_one(to, value);
  } else if constexpr (sizeof(T) == sizeof(float)) {
    store(to, value);
  } else {
#if defined(__AVX2__)
    WordVec word = (WordVec)value;
    word = (word + (((word >> 16) & 1u) + 0x7FFFu)) >> 16;
#if defined(__AVX512F__)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16((__m512i)word));
#else
    const __m256i packed = _mm256_packus_epi32((__m256i)word, (__m256i)word);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 8)));
#endif
#else
    store(to, value);
#endif
  }
}

template <class V>
inline V same(float value) {
  return value - V{};
}
template <class V>
inline V least(V a, V b) {
  return a < b ? a : b;  // b where one is NaN
}
template <class V>
inline V most(V a, V b) {
  return a > b ? a : b;
}

// step.operator()<V>(i) for every vector of [0, count), then for every number that is left.
template <class Step>
inline void for_each(int64_t count, const Step& step) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) step.template operator()<Vec>(i);
  for (; i < count; ++i) step.template operator()<float>(i);
}

inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}
inline int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// Pixels of a row that are filtered at a time: four such rows and what is made of them stay in the first cache. inner: numbers per pixel.
constexpr int64_t STRIP = 1024;

inline int64_t strip_pixels(int64_t inner) {
  return inner < STRIP / 8 ? STRIP / inner : 8;
}

// A thread's own memory, for one part of the work; zero at first, aligned for vectors.
struct Scratch {
  float* data;
  explicit Scratch(int64_t count) {
    const size_t bytes = (sizeof(float) * size_t(count + LANES) + 63) / 64 * 64;
    data = static_cast<float*>(std::aligned_alloc(64, bytes));
    if (!data) __builtin_trap();
    std::memset(data, 0, bytes);
  }
  ~Scratch() {
    std::free(data);
  }
  Scratch(const Scratch&) = delete;
};

// out[j] = Σ_k taps[k] · rows[k][j]; the rows may be apart (a column of the filter) or shifted copies of one (a row of it).
template <int N, class T, class Out>
void sum_of(const T* const* rows, const float* taps, Out* out, int64_t count) {
  const T* from[N];
  float weight[N];
  for (int k = 0; k < N; ++k) from[k] = rows[k], weight[k] = taps[k];
  for_each(count, [=]<class V>(int64_t j) {
    V total = read<V>(from[0] + j) * weight[0];
    for (int k = 1; k < N; ++k) total += read<V>(from[k] + j) * weight[k];
    write(out + j, total);
  });
}

template <class T, class Out>
void weighted_sum(const T* const* rows, const float* taps, int64_t n, Out* out, int64_t count) {
  switch (n) {
    case 1: return sum_of<1>(rows, taps, out, count);
    case 2: return sum_of<2>(rows, taps, out, count);
    case 3: return sum_of<3>(rows, taps, out, count);
    case 4: return sum_of<4>(rows, taps, out, count);
  }
  for_each(count, [=]<class V>(int64_t j) {
    V total{};
    for (int64_t k = 0; k < n; ++k) total += read<V>(rows[k] + j) * taps[k];
    write(out + j, total);
  });
}

}  // namespace
}  // namespace ISA
