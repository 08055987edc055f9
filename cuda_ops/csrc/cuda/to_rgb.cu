// Three dot products over the channels of each pixel, bias, clamp, plus the previous picture at twice its size: the picture so far, float32.
//
// Bytes per pixel: channels numbers read once, 12 + 3 written and read of the pictures. At 1024² with 32 channels in a 16-bit type 67 MB + 15.7 MB,
// 17 µs at 4.8 TB/s. Twelve instructions per number are there; 3 multiply-adds, a conversion and a share of the loads are needed.
//
// A group of lanes shares a pixel: each takes a vector of channels, multiplies PIXELS of them with weights · style that it keeps in registers,
// and leaves its sums in shared memory; then one thread per number of the picture adds them up.
#include "fir.h"
#include "ops.h"

namespace cuda_ops {

constexpr int COLOURS = 3;
constexpr int PIXELS = 4;  // per thread: as many 16-byte loads in flight, and one read of the weights for all of them

template <class T, int N>
struct ToRgb {
  static constexpr uint32_t BLOCKS = 5;

  struct Shared {
    float sum[PIXELS * COLOURS][THREADS];
  };

  const T* x;
  float* out;
  const float* image;  // of half the size, or nullptr
  Table weight, style, bias;
  float limit;
  int channels, height, width;
  uint32_t lanes;  // per pixel: a power of two up to 32

  BOTH uint32_t groups() const {
    return THREADS / lanes;
  }
  BOTH uint32_t pixels() const {  // of the picture
    return uint32_t(height) * uint32_t(width);
  }

  BOTH void stage(uint32_t sample, uint32_t block, uint32_t thread, Shared& shared) const {
    const uint32_t group = thread / lanes, lane = thread % lanes;
    const T* from = x + int64_t(sample) * pixels() * channels;
    float sum[PIXELS][COLOURS] = {};
    for (int channel = int(lane) * N; channel < channels; channel += int(lanes) * N) {
      float value[PIXELS][N], mix[COLOURS][N], scale[N];
      UNROLL
      for (int p = 0; p < PIXELS; ++p) {
        const uint32_t pixel = (block * PIXELS + p) * groups() + group;
        load<N>(from + int64_t(pixel < pixels() ? pixel : 0) * channels + channel, value[p]);
      }
      read<N>(style, int64_t(sample) * channels + channel, 1.f, scale);
      UNROLL
      for (int colour = 0; colour < COLOURS; ++colour) {
        read<N>(weight, int64_t(colour) * channels + channel, 0.f, mix[colour]);
        UNROLL
        for (int k = 0; k < N; ++k) {
          UNROLL
          for (int p = 0; p < PIXELS; ++p) sum[p][colour] += mix[colour][k] * scale[k] * value[p][k];
        }
      }
    }
    UNROLL
    for (int p = 0; p < PIXELS; ++p) {
      UNROLL
      for (int colour = 0; colour < COLOURS; ++colour) shared.sum[p * COLOURS + colour][thread] = sum[p][colour];
    }
  }

  BOTH void compute(uint32_t sample, uint32_t block, uint32_t thread, const Shared& shared) const {
    const uint32_t count = groups() * PIXELS;
    for (uint32_t number = thread; number < count * COLOURS; number += THREADS) {
      const uint32_t colour = number / count, local = number % count, pixel = block * count + local;
      if (pixel >= pixels()) continue;
      const uint32_t group = local % groups(), line = local / groups() * COLOURS + colour;
      // Each group begins with another lane, so that the 32 threads of a warp read from 32 banks.
      const uint32_t turn = group * lanes / 32;
      float sum = 0.f;
      for (uint32_t k = 0; k < lanes; ++k) sum += shared.sum[line][group * lanes + (k + turn) % lanes];
      sum = within(sum + read_one(bias, colour, 0.f), limit);
      const int64_t plane = int64_t(sample) * COLOURS + colour;
      if (image) sum += doubled(image + plane * (pixels() / 4), int(pixel / uint32_t(width)), int(pixel % uint32_t(width)));
      out[plane * pixels() + pixel] = sum;
    }
  }

  // The picture of half the size at (row, column) of the whole one: even places are (x[i−1] + 3 x[i]) / 4, odd ones (3 x[i] + x[i+1]) / 4.
  BOTH float doubled(const float* half, int row, int column) const {
    const int y = row / 2, x_ = column / 2;
    const int rows = height / 2, columns = width / 2;
    const int other_y = row % 2 ? y + 1 : y - 1, other_x = column % 2 ? x_ + 1 : x_ - 1;
    const float near_y = .75f, far_y = unsigned(other_y) < unsigned(rows) ? .25f : 0.f;
    const float near_x = .75f, far_x = unsigned(other_x) < unsigned(columns) ? .25f : 0.f;
    const float* line = half + int64_t(y) * columns;
    const float* other = half + int64_t(inside(other_y, rows)) * columns;
    const int beside = inside(other_x, columns);
    const float own = near_x * fetch<1>(line + x_).lane[0] + far_x * fetch<1>(line + beside).lane[0];
    const float next = near_x * fetch<1>(other + x_).lane[0] + far_x * fetch<1>(other + beside).lane[0];
    return near_y * own + far_y * next;
  }
};

Tensor to_rgb(const Tensor& x, const Tensor& weight, const Tensor& style, const std::optional<Tensor>& bias,
              const std::optional<Tensor>& image, double clamp) {
  STD_TORCH_CHECK(x.dim() == 4, "to_rgb takes [batch, channels, height, width], got ", x.dim(), " dimensions");
  const Queue queue(x);
  const Picture in = dense_as(x, MemoryFormat::ChannelsLast);
  const Operand own_weight = operand(weight, x, COLOURS * in.channels, "weight"), own_bias = operand(bias, x, COLOURS, "bias");
  const Operand own_style = operand(style, x, in.samples * in.channels, "style");
  const Operand half = operand(image, x, in.samples * COLOURS * in.pixels() / 4, "image");
  STD_TORCH_CHECK(!half.table || (half.table.kind == Kind::float32 && in.height % 2 == 0 && in.width % 2 == 0),
                  "image must be float32 and of half the size of x, in both directions");
  const std::vector<int64_t> size{in.samples, COLOURS, in.height, in.width};
  const Tensor out = torch::stable::empty(size, ScalarType::Float, std::nullopt, x.device());
  by_type(in.tensor, in.channels, [&]<class T, int N>() {
    uint32_t lanes = 1;
    while (lanes < 32 && int64_t(lanes) * 2 * N <= in.channels) lanes *= 2;
    const ToRgb<T, N> kernel{read_pointer<T>(in.tensor), write_pointer<float>(out), static_cast<const float*>(half.table.data),
                             own_weight.table, own_style.table, own_bias.table, clamp < 0 ? INFINITY : float(clamp),
                             int(in.channels), int(in.height), int(in.width), lanes};
    const int64_t each = int64_t(kernel.groups()) * PIXELS;
    launch_blocks(queue, in.samples, (in.pixels() + each - 1) / each, kernel);
  });
  return out;
}

}  // namespace cuda_ops
