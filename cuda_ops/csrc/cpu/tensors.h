// For register*.cpp: the few questions that they ask of a tensor.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>
#include <vector>

#include "dispatch.h"
#include "pool.h"

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// bfloat16, or else float32: the two that the kernels know. The Python side sends nothing else.
inline bool is_half(const Tensor& x) {
  const ScalarType type = x.scalar_type();
  STD_TORCH_CHECK(type == ScalarType::Float || type == ScalarType::BFloat16, "the CPU kernels take float32 and bfloat16");
  return type == ScalarType::BFloat16;
}

// The rule of cuda_ops/layout.py: the Python side has made every tensor dense in one of the two layouts.
inline bool is_channels_last(const Tensor& x) {
  return x.dim() == 4 && x.size(1) > 1 && x.stride(1) == 1 && !x.is_contiguous();
}

// An uninitialised tensor of one of the two layouts; a large one comes from the pool.
inline Tensor empty(const std::vector<int64_t>& sizes, ScalarType type, bool channels_last) {
  size_t bytes = type == ScalarType::BFloat16 ? 2 : 4;
  for (const int64_t size : sizes) bytes *= size_t(size);
  if (bytes < Pool::SMALLEST) {
    const auto format = channels_last ? torch::headeronly::MemoryFormat::ChannelsLast : torch::headeronly::MemoryFormat::Contiguous;
    return torch::stable::empty(sizes, type, std::nullopt, std::nullopt, std::nullopt, format);
  }
  std::vector<int64_t> strides(sizes.size());
  int64_t step = 1;
  const auto place = [&](size_t axis) { strides[axis] = step, step *= sizes[axis]; };
  if (channels_last) {
    for (const size_t axis : {1, 3, 2, 0}) place(axis);
  } else {
    for (size_t axis = sizes.size(); axis-- > 0;) place(axis);
  }
  void* data = Pool::instance().take(bytes);
  STD_TORCH_CHECK(data != nullptr, "there is not enough memory for a result of ", bytes, " bytes");
  return torch::stable::from_blob(data, sizes, strides, torch::stable::Device(torch::headeronly::DeviceType::CPU), type,
                                  [](void* used) { Pool::instance().give_back(used); });
}

inline std::vector<int64_t> sizes_of(const Tensor& x) {
  const auto sizes = x.sizes();
  return std::vector<int64_t>(sizes.begin(), sizes.end());
}

// A contiguous float32 or bfloat16 tensor as floats; `gain` multiplies each.
inline std::vector<float> floats(const Tensor& x, float gain = 1.0f) {
  STD_TORCH_CHECK(x.is_contiguous(), "parameters must be contiguous");
  std::vector<float> values(x.numel());
  if (is_half(x)) {
    const uint16_t* from = static_cast<const uint16_t*>(x.const_data_ptr());
    for (size_t i = 0; i < values.size(); ++i) {
      const uint32_t word = uint32_t(from[i]) << 16;
      __builtin_memcpy(&values[i], &word, 4);
      values[i] *= gain;
    }
  } else {
    const float* from = static_cast<const float*>(x.const_data_ptr());
    for (size_t i = 0; i < values.size(); ++i) values[i] = from[i] * gain;
  }
  return values;
}

// The clamp as x's type holds it, so that forward and backward mean the same number.
inline float clamp_in(bool half, double clamp) {
  float value = float(clamp);
  if (!half || clamp < 0) return value;
  uint32_t word;
  __builtin_memcpy(&word, &value, 4);
  word = (word + 0x7FFFu + ((word >> 16) & 1u)) & 0xFFFF0000u;
  __builtin_memcpy(&value, &word, 4);
  return value;
}
