// The passes over memory of a styled convolution's backward that are no convolutions: through activation, bias, noise and demodulation, and
// through the scaling by style. Each reads its pictures once; sums over pixels are made per run of pixels, then over runs, in a fixed order.
#include "tiles.h"

namespace ISA {
namespace {

constexpr int RUN = 256;  // pixels that are summed up before their sum is added to the others

inline int runs_of(int pixels) {
  return (pixels + RUN - 1) / RUN;
}

// totals[image][c] = Σ over runs of parts[image][run][c].
void add_runs(const float* parts, int images, int runs, size_t step, int channels, float* totals) {
  parallel(images, 1, [&](int first, int last) {
    for (int image = first; image < last; image++)
      for (int c = 0; c < channels; c++) {
        double sum = 0;
        for (int run = 0; run < runs; run++) sum += parts[(size_t(image) * runs + run) * step + c];
        totals[size_t(image) * channels + c] = float(sum);
      }
  });
}

}  // namespace

void finish_backward(const FinishBackward& job) {
  int runs = runs_of(job.pixels), channels = job.channels;
  size_t step = padded(channels, LANES), all = size_t(job.images) * runs * step;
  float* parts = scratch(5, 2 * all);
  std::memset(parts, 0, 2 * all * 4);
  Vec limit = splat(job.clamp >= 0 ? job.clamp : __builtin_inff());
  parallel(job.images * runs, 8, [&](int a, int b) {
    for (int item = a; item < b; item++) {
      int image = item / runs, first = item % runs * RUN, last = least(job.pixels, first + RUN);
      float* bias_sum = parts + item * step;
      float* factor_sum = bias_sum + all;
      for (int p = first; p < last; p++) {
        size_t at = (size_t(image) * job.pixels + p) * channels;
        float noise = job.noise ? job.gain * job.noise[image * job.noise_step + p] : 0.0f;
        Vec over_channels{};
        for (int c = 0; c < channels; c += LANES) {
          int count = channels - c;
          Vec y = load_some(job.y + at + c, count), g = load_some(job.grad + at + c, count);
          Vec dv = y < 0.0f ? g * job.slope : g;
          dv = y < limit && y > -limit ? dv : Vec{};
          Vec v = y < 0.0f ? y * (1 / job.slope) : y;
          Vec factor = job.factor ? load_some(job.factor + size_t(image) * channels + c, count) : splat(1.0f);
          Vec shift = splat(noise);
          if (job.bias) shift += job.gain * load_some(job.bias + c, count);
          store_some(job.dx + at + c, dv * factor, count);
          store(bias_sum + c, load(bias_sum + c) + dv);
          store(factor_sum + c, load(factor_sum + c) + dv * (v - shift));
          over_channels += dv;
        }
        if (job.of_noise) {
          float sum = 0;
          for (int i = 0; i < LANES; i++) sum += over_channels[i];
          job.of_noise[size_t(image) * job.pixels + p] = job.gain * sum;
        }
      }
    }
  });
  add_runs(parts, job.images, runs, step, channels, job.of_bias);
  add_runs(parts + all, job.images, runs, step, channels, job.of_factor);
  for (size_t i = 0; i < size_t(job.images) * channels; i++) {
    job.of_bias[i] *= job.gain;
    if (job.factor) job.of_factor[i] /= job.factor[i];
  }
}

void scale_backward(const ScaleBackward& job) {
  int runs = runs_of(job.pixels), channels = job.channels;
  size_t step = padded(channels, LANES), all = size_t(job.images) * runs * step;
  float* parts = scratch(5, all);
  std::memset(parts, 0, all * 4);
  parallel(job.images * runs, 8, [&](int a, int b) {
    for (int item = a; item < b; item++) {
      int image = item / runs, first = item % runs * RUN, last = least(job.pixels, first + RUN);
      float* sum = parts + item * step;
      const float* style = job.style + size_t(image) * channels;
      for (int p = first; p < last; p++) {
        size_t at = (size_t(image) * job.pixels + p) * channels;
        for (int c = 0; c < channels; c += LANES) {
          int count = channels - c;
          Vec g = load_some(job.grad + at + c, count);
          store(sum + c, load(sum + c) + g * load_some(job.x + at + c, count));
          store_some(job.dx + at + c, g * load_some(style + c, count), count);
        }
      }
    }
  });
  add_runs(parts, job.images, runs, step, channels, job.of_style);
}

}  // namespace ISA
