// Tensors → what kernels take: pointers, strides, tables; and the choice of a kernel by type and alignment.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/headeronly/core/MemoryFormat.h>

#include <optional>
#include <vector>

#include "vector.h"

namespace cuda_ops {

using torch::headeronly::MemoryFormat;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// A dense picture [samples, channels, height, width] in one of the two formats. Other shapes are read as [samples, channels, rest, 1].
struct Picture {
  Tensor tensor;
  int64_t samples, channels, height, width;
  MemoryFormat format;
  bool last;  // the numbers of a pixel lie next to each other: channels_last, or there is one pixel only

  int64_t pixels() const {
    return height * width;
  }
  int64_t size() const {  // of one sample
    return channels * pixels();
  }
};

struct Strides {  // in numbers
  int64_t sample, channel, row, column;
};

inline Strides strides_of(const Picture& picture) {
  if (picture.last) return {picture.size(), 1, picture.width * picture.channels, picture.channels};
  return {picture.size(), picture.pixels(), picture.width, 1};
}

// The same rule as cuda_ops/layout.py: what is both (one channel, one pixel) and what is neither counts as contiguous.
inline MemoryFormat format_of(const Tensor& x) {
  const bool last = x.dim() == 4 && x.size(1) > 1 && x.stride(1) == 1 && !x.is_contiguous();
  return last ? MemoryFormat::ChannelsLast : MemoryFormat::Contiguous;
}

inline Picture picture_of(const Tensor& x, MemoryFormat format) {
  STD_TORCH_CHECK(x.dim() >= 2, "expected [batch, channels, ...], got ", x.dim(), " dimensions");
  const bool flat = x.dim() != 4;
  int64_t rest = 1;
  for (int64_t axis = 2; axis < x.dim(); ++axis) rest *= x.size(axis);
  const bool last = format == MemoryFormat::ChannelsLast || rest == 1;
  return {x, x.size(0), x.size(1), flat ? rest : x.size(2), flat ? 1 : x.size(3), format, last};
}

inline Picture dense_as(const Tensor& x, MemoryFormat format) {
  return picture_of(torch::stable::contiguous(x, format), format);
}

// x in its own format without gaps; x itself if it has none.
inline Picture dense(const Tensor& x) {
  return dense_as(x, format_of(x));
}

// Uninitialised, of the same type and format.
inline Picture empty_picture(const Picture& like, int64_t height, int64_t width) {
  const std::vector<int64_t> size{like.samples, like.channels, height, width};
  const auto type = like.tensor.scalar_type();
  const Tensor out = torch::stable::empty(size, type, std::nullopt, like.tensor.device(), std::nullopt, like.format);
  return picture_of(out, like.format);
}

inline bool is_aligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0;
}

inline Kind kind_of(ScalarType type) {
  if (type == ScalarType::Float) return Kind::float32;
  if (type == ScalarType::Half) return Kind::float16;
  STD_TORCH_CHECK(type == ScalarType::BFloat16, "the kernels have float32, float16 and bfloat16, not ", torch::headeronly::toString(type));
  return Kind::bfloat16;
}

// A contiguous optional operand, kept alive beside the table that points into it.
struct Operand {
  std::optional<Tensor> tensor;
  Table table;
};

inline Operand operand(const std::optional<Tensor>& given, const Tensor& beside, int64_t numbers, const char* name) {
  if (!given.has_value()) return {};
  STD_TORCH_CHECK(given->device() == beside.device(), name, " is on another device than x");
  STD_TORCH_CHECK(given->numel() == numbers, name, " has ", given->numel(), " numbers, expected ", numbers);
  const Tensor tensor = torch::stable::contiguous(*given);
  const void* data = tensor.const_data_ptr();
  return {tensor, {data, kind_of(tensor.scalar_type()), is_aligned(data)}};
}

template <class T>
const T* read_pointer(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}
template <class T>
T* write_pointer(const Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

// call.operator()<T, N>(): T the type of x, N the numbers per access: a 128-bit vector where `extent` (along memory) and alignment allow.
template <class Call>
void by_type(const Tensor& x, int64_t extent, const Call& call) {
  const auto by_width = [&]<class T>() {
    if (extent % LANES<T> == 0 && is_aligned(x.const_data_ptr()))
      call.template operator()<T, LANES<T>>();
    else
      call.template operator()<T, 1>();
  };
  switch (kind_of(x.scalar_type())) {
    case Kind::float32: return by_width.template operator()<float>();
    case Kind::float16: return by_width.template operator()<__half>();
    case Kind::bfloat16: return by_width.template operator()<__nv_bfloat16>();
  }
}

}  // namespace cuda_ops
