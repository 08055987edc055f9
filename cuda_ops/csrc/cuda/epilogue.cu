// What follows a convolution, in one pass: [FIR ·] demodulation + noise + bias → leaky → gain → clamp [· the next layer's style].
//
// Bytes per number out: 1 read + 1 write (4 in 16-bit types, 8 in float32); with the FIR (after an up-convolution) the read is (2H+1)² for
// (2H)², and strips of 16 rows read 19/16 through the second cache. At 4.8 TB/s: 1.2 / 0.6 · 10¹² numbers per second; with the FIR about 21 of
// the 24 instructions per number that 16-bit types leave room for, so the walk filters each row once and folds 1/16 into the factor.
// The separate operators move 2–3 times as much: FIR, multiplication, addition of noise, bias_act.
#include "fir.h"
#include "ops.h"

namespace cuda_ops {

constexpr double FIR_SCALE = 4.0 / 64.0;  // gain 4; [1, 3, 3, 1] sums to 8 on each axis

struct Operands {
  Table factor, noise, bias, style;
  int64_t noise_sample;  // numbers between the noise of one sample and the next: 0 where it is shared
  Activation activation;
};

// What is constant over a channel vector of one sample.
template <int N>
struct Channels {
  float factor[N], bias[N], style[N];

  BOTH Channels(const Operands& operands, uint32_t sample, int channel, int channels, float scale) {
    read<N>(operands.factor, int64_t(sample) * channels + channel, 1.f, factor);
    read<N>(operands.bias, channel, 0.f, bias);
    read<N>(operands.style, int64_t(sample) * channels + channel, 1.f, style);
    UNROLL
    for (int k = 0; k < N; ++k) factor[k] *= scale;
  }
  BOTH float apply(const Activation& activation, int k, float value, float noise) const {
    return activation(value * factor[k] + (noise + bias[k])) * style[k];
  }
};

// Without the FIR, channels_last: a vector is N channels of one pixel.
template <class T, int N>
struct PointwiseLast {
  static constexpr uint32_t BLOCKS = 8;
  const T* x;
  T* y;
  Operands operands;
  int channels;
  uint32_t vectors;  // per pixel
  int64_t size;

  BOTH void operator()(uint32_t sample, uint32_t item) const {
    const int64_t at = sample * size + int64_t(item) * N;
    const uint32_t pixel = item / vectors;
    const int channel = int(item - pixel * vectors) * N;
    float value[N];
    load<N>(x + at, value);
    const Channels<N> own(operands, sample, channel, channels, 1.f);
    const float noise = read_one(operands.noise, sample * operands.noise_sample + pixel, 0.f);
    UNROLL
    for (int k = 0; k < N; ++k) value[k] = own.apply(operands.activation, k, value[k], noise);
    store<N>(y + at, value);
  }
};

// Without the FIR, contiguous: a vector is N pixels of one channel.
template <class T, int N>
struct PointwisePlanes {
  static constexpr uint32_t BLOCKS = 8;
  const T* x;
  T* y;
  Operands operands;
  int channels;
  uint32_t vectors;  // per channel
  int64_t size;

  BOTH void operator()(uint32_t sample, uint32_t item) const {
    const int64_t at = sample * size + int64_t(item) * N;
    const uint32_t channel = item / vectors;
    float value[N], noise[N];
    load<N>(x + at, value);
    const Channels<1> own(operands, sample, int(channel), channels, 1.f);
    read<N>(operands.noise, sample * operands.noise_sample + int64_t(item - channel * vectors) * N, 0.f, noise);
    UNROLL
    for (int k = 0; k < N; ++k) value[k] = own.apply(operands.activation, 0, value[k], noise[k]);
    store<N>(y + at, value);
  }
};

// With the FIR: down a strip of one column, N channels.
template <class T, int N>
struct Filtered {
  static constexpr uint32_t BLOCKS = N == 8 ? 4 : 5;  // at most 128 (96) registers; 512 (640) threads with 4 loads each in flight
  const T* x;
  T* y;
  Operands operands;
  Strides from, to;
  int channels, height, width;  // of the output; the input has one row and one column more
  Strips strips;

  BOTH void operator()(uint32_t sample, uint32_t item) const {
    const Strips::At at = strips.at(item, N);
    const Channels<N> own(operands, sample, at.channel, channels, float(FIR_SCALE));
    const Input<T> in{x + sample * from.sample + at.channel * from.channel, from.row, from.column, height + 1, width + 1};
    const int64_t pixel = int64_t(at.row) * width + at.column;
    T* out = y + sample * to.sample + at.channel * to.channel + at.row * to.row + at.column * to.column;
    const int64_t noise_at = sample * operands.noise_sample + pixel;
    const Taps taps{{1.f, 3.f, 3.f, 1.f}};
    const int left = height - at.row;
    walk_down<N, 1>(in, at.row - 1, at.column - 1, left < strips.rows ? left : strips.rows, taps, taps, [&](int i, float(&value)[N]) {
      const float noise = read_one(operands.noise, noise_at + int64_t(i) * width, 0.f);
      UNROLL
      for (int k = 0; k < N; ++k) value[k] = own.apply(operands.activation, k, value[k], noise);
      store<N>(out + i * to.row, value);
    });
  }
};

static Tensor run_epilogue(const Tensor& x, const std::optional<Tensor>& factor, const std::optional<Tensor>& noise,
                           const std::optional<Tensor>& bias, const std::optional<Tensor>& style, bool fir, const Activation& activation) {
  STD_TORCH_CHECK(x.dim() == 4, "epilogue takes [batch, channels, height, width], got ", x.dim(), " dimensions");
  const Queue queue(x);
  const Picture in = dense(x);
  const int64_t less = fir ? 1 : 0;
  const Picture out = empty_picture(in, in.height - less, in.width - less);
  const int64_t each = in.samples * in.channels;
  const bool shared = noise.has_value() && noise->size(0) == 1;
  const Operand own_factor = operand(factor, x, each, "factor"), own_bias = operand(bias, x, in.channels, "bias");
  const Operand own_noise = operand(noise, x, out.pixels() * (shared ? 1 : in.samples), "noise"), own_style = operand(style, x, each, "style");
  const Operands operands{own_factor.table, own_noise.table, own_bias.table, own_style.table, shared ? 0 : out.pixels(), activation};
  const int channels = int(in.channels);
  const bool last = in.last && out.last;
  by_type(in.tensor, last ? in.channels : fir ? 1 : in.pixels(), [&]<class T, int N>() {
    const T* from = read_pointer<T>(in.tensor);
    T* to = write_pointer<T>(out.tensor);
    if (fir) {
      const Strips strips(out, N, out.width, out.height, MOST_ROWS);
      launch(queue, out.samples, strips.items(),
             Filtered<T, N>{from, to, operands, strides_of(in), strides_of(out), channels, int(out.height), int(out.width), strips});
    } else if (last) {
      launch(queue, out.samples, out.size() / N, PointwiseLast<T, N>{from, to, operands, channels, uint32_t(channels / N), out.size()});
    } else {
      launch(queue, out.samples, out.size() / N, PointwisePlanes<T, N>{from, to, operands, channels, uint32_t(out.pixels() / N), out.size()});
    }
  });
  return out.tensor;
}

Tensor epilogue(const Tensor& x, const std::optional<Tensor>& factor, const std::optional<Tensor>& noise, const std::optional<Tensor>& bias,
                bool fir, double slope, double gain, double clamp) {
  return run_epilogue(x, factor, noise, bias, std::nullopt, fir, Activation(slope, gain, clamp));
}

Tensor epilogue_styled(const Tensor& x, const std::optional<Tensor>& factor, const std::optional<Tensor>& noise,
                       const std::optional<Tensor>& bias, const Tensor& style, bool fir, double slope, double gain, double clamp) {
  return run_epilogue(x, factor, noise, bias, style, fir, Activation(slope, gain, clamp));
}

}  // namespace cuda_ops
