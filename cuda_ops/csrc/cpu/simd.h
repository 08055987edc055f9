// One vector of floats, as wide as the instruction set that this translation unit is compiled for.
//
// Every kernel file is compiled once per instruction set (see dispatch.h) with ISA set to the name of its namespace. The code uses the
// compiler's vector extensions only, so the same source is AVX-512, AVX2 or portable (SSE2, NEON) code.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef ISA
#error "compile with -DISA=avx512, avx2 or portable"
#endif

namespace ISA {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t IntVec __attribute__((vector_size(4 * LANES)));
typedef uint32_t WordVec __attribute__((vector_size(4 * LANES)));
typedef uint16_t HalfVec __attribute__((vector_size(2 * LANES)));
typedef float LooseVec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint16_t LooseHalfVec __attribute__((vector_size(2 * LANES), aligned(2)));

struct bf16 {
  uint16_t bits;
};

inline Vec splat(float value) {
  return value - Vec{};  // a scalar operand is broadcast
}

inline Vec load(const float* from) {
  return *reinterpret_cast<const LooseVec*>(from);
}

inline void store(float* to, Vec value) {
  *reinterpret_cast<LooseVec*>(to) = value;
}

inline Vec load(const bf16* from) {
  HalfVec half = *reinterpret_cast<const LooseHalfVec*>(from);
  WordVec word = __builtin_convertvector(half, WordVec) << 16;
  return (Vec)word;
}

// Round to nearest, ties to even. NaN stays NaN (its payload may change).
inline void store(bf16* to, Vec value) {
  WordVec word = (WordVec)value;
  WordVec rounded = (word + 0x7FFFu + ((word >> 16) & 1u)) >> 16;
  WordVec quiet = (word >> 16) | 0x40u;
  WordVec isnan = (WordVec)(value != value);
  rounded = (isnan & quiet) | (~isnan & rounded);
  *reinterpret_cast<LooseHalfVec*>(to) = __builtin_convertvector(rounded, HalfVec);
}

inline float load_one(const float* from) {
  return *from;
}
inline float load_one(const bf16* from) {
  uint32_t word = uint32_t(from->bits) << 16;
  float value;
  std::memcpy(&value, &word, 4);
  return value;
}
inline void store_one(float* to, float value) {
  *to = value;
}
inline void store_one(bf16* to, float value) {
  uint32_t word;
  std::memcpy(&word, &value, 4);
  word = value != value ? (word >> 16) | 0x40u : (word + 0x7FFFu + ((word >> 16) & 1u)) >> 16;
  to->bits = uint16_t(word);
}

inline Vec minimum(Vec a, Vec b) {
  return a < b ? a : b;
}
inline Vec maximum(Vec a, Vec b) {
  return a > b ? a : b;
}

}  // namespace ISA
