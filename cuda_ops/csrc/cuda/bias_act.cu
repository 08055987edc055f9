// clamp(gain · leaky(x + bias; slope), ±clamp) and its backward: one pass.
//
// Bytes per number: forward 1 read + 1 write (4 in 16-bit types, 8 in float32), backward 2 reads + 1 write. At 4.8 TB/s: 1.2 / 0.6 · 10¹²
// numbers per second forward. A multiprocessor then has 24 (16-bit) instructions per number; these kernels need about 8.
#include "ops.h"
#include "tensors.h"

namespace cuda_ops {

// The channel of each vector: along channels_last memory N channels of one pixel, along contiguous memory N pixels of one channel.
struct BiasPlace {
  uint32_t inner;  // vectors per pixel (channels_last) or per channel (contiguous)
  bool last;

  template <int N>
  BOTH void read_bias(const Table& bias, uint32_t item, float (&value)[N]) const {
    if (last && bias) return read<N>(bias, int64_t(item % inner) * N, 0.f, value);
    const float one = bias ? read_one(bias, item / inner, 0.f) : 0.f;
    UNROLL
    for (int k = 0; k < N; ++k) value[k] = one;
  }
};

template <class T, int N>
struct BiasAct {
  static constexpr uint32_t BLOCKS = 16;  // all 2048 threads of a multiprocessor: at most 32 registers each
  const T* x;
  T* y;
  Table bias;
  BiasPlace place;
  Activation activation;
  int64_t size;

  BOTH void operator()(uint32_t sample, uint32_t item) const {
    const int64_t at = sample * size + int64_t(item) * N;
    float value[N], shift[N];
    load<N>(x + at, value);
    place.template read_bias<N>(bias, item, shift);
    UNROLL
    for (int k = 0; k < N; ++k) value[k] = activation(value[k] + shift[k]);
    store<N>(y + at, value);
  }
};

template <class T, int N>
struct BiasActBackward {
  static constexpr uint32_t BLOCKS = 16;
  const T* grad;
  const T* y;
  T* out;
  Activation activation;
  int64_t size;

  BOTH void operator()(uint32_t sample, uint32_t item) const {
    const int64_t at = sample * size + int64_t(item) * N;
    float value[N], result[N];
    load<N>(grad + at, value);
    load<N>(y + at, result);
    UNROLL
    for (int k = 0; k < N; ++k) {
      const float passed = value[k] * (result[k] < 0.f ? activation.negative : activation.positive);
      // The result was rounded to T, and so was the value that the clamp left there: compare with the limit as T has it.
      value[k] = fabsf(result[k]) >= activation.limit ? 0.f : passed;
    }
    store<N>(out + at, value);
  }
};

Tensor bias_act(const Tensor& x, const std::optional<Tensor>& bias, double slope, double gain, double clamp) {
  const Queue queue(x);
  const Picture in = dense(x);
  const Tensor y = torch::stable::empty_like(in.tensor);
  const Operand shift = operand(bias, x, in.channels, "bias");
  by_type(in.tensor, in.last ? in.channels : in.pixels(), [&]<class T, int N>() {
    const BiasPlace place{uint32_t((in.last ? in.channels : in.pixels()) / N), in.last};
    const Activation activation(slope, gain, clamp);
    launch(queue, in.samples, in.size() / N,
           BiasAct<T, N>{read_pointer<T>(in.tensor), write_pointer<T>(y), shift.table, place, activation, in.size()});
  });
  return y;
}

Tensor bias_act_backward(const Tensor& grad, const Tensor& y, double slope, double gain, double clamp) {
  STD_TORCH_CHECK(grad.scalar_type() == y.scalar_type() && grad.numel() == y.numel(), "grad and y differ in type or size");
  const Queue queue(y);
  const Picture result = dense(y);
  const Tensor incoming = torch::stable::contiguous(grad, result.format);
  const Tensor out = torch::stable::empty_like(result.tensor);
  // A gradient that is not aligned reads one number at a time, as an unaligned y does.
  by_type(result.tensor, is_aligned(incoming.const_data_ptr()) ? result.size() : 1, [&]<class T, int N>() {
    Activation activation(slope, gain, clamp);
    activation.limit = widen(narrow<T>(activation.limit));
    launch(queue, result.samples, result.size() / N,
           BiasActBackward<T, N>{read_pointer<T>(incoming), read_pointer<T>(result.tensor), write_pointer<T>(out), activation, result.size()});
  });
  return out;
}

}  // namespace cuda_ops
