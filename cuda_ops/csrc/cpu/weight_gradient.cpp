// Gradient of a 3 × 3 convolution's weight by minimal filtering: the transposes of the forward pass's transforms around matrix products that
// sum over tiles.
#include "tiles.h"

namespace ISA {
namespace {

constexpr size_t LEAST_CHUNK = 2 << 20, MOST_CHUNK = 32 << 20;  // bytes of transformed tiles at once
constexpr int TILES = 128;                  // that are summed over while their rows stay in the first cache

// A tile of the gradient → w[product · step + channel].
template <class S>
inline void spread_tile(const float* grad, int height, int width, int channels, int row, int column, float* w, size_t step) {
  for (int c = 0; c < channels; c += LANES) {
    int count = channels - c;
    Vec half[S::PRODUCTS][S::OUTPUTS];
#pragma GCC unroll 8
    for (int j = 0; j < S::OUTPUTS; j++) {
      Vec y[S::OUTPUTS], u[S::PRODUCTS];
#pragma GCC unroll 8
      for (int i = 0; i < S::OUTPUTS; i++) {
        int a = row * S::OUTPUTS + i, b = column * S::OUTPUTS + j;
        y[i] = a < height && b < width ? load_some(grad + (size_t(a) * width + b) * channels + c, count) : Vec{};
      }
      S::output_adjoint(y, u);
#pragma GCC unroll 8
      for (int i = 0; i < S::PRODUCTS; i++) half[i][j] = u[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < S::PRODUCTS; i++) {
      Vec u[S::PRODUCTS];
      S::output_adjoint(half[i], u);
#pragma GCC unroll 8
      for (int j = 0; j < S::PRODUCTS; j++) store(w + (i * S::PRODUCTS + j) * step + c, u[j]);
    }
  }
}

// sums[product][in][out] → weight[out][in][3][3].
template <class S>
void gather_weight(const Plan<S>& plan, const float* sums, int in_channels, int out_channels, float* weight) {
  size_t step = plan.in * plan.out;
  parallel(in_channels, 4, [&](int first, int last) {
    for (int in = first; in < last; in++)
      for (int out = 0; out < out_channels; out += LANES) {
        const float* from = sums + size_t(in) * plan.out + out;
        Vec half[S::PRODUCTS][3];
        for (int i = 0; i < S::PRODUCTS; i++) {
          Vec u[S::PRODUCTS];
          for (int j = 0; j < S::PRODUCTS; j++) u[j] = load(from + (i * S::PRODUCTS + j) * step);
          S::weight_adjoint(u, half[i]);
        }
        for (int j = 0; j < 3; j++) {
          Vec u[S::PRODUCTS], g[3];
          for (int i = 0; i < S::PRODUCTS; i++) u[i] = half[i][j];
          S::weight_adjoint(u, g);
          for (int k = 0; k < 3; k++)
            for (int o = 0; o < LANES && out + o < out_channels; o++) weight[(size_t(out + o) * in_channels + in) * 9 + 3 * k + j] = g[k][o];
        }
      }
  });
}

template <class S>
void gradient(const WeightGradient& job) {
  Plan<S> plan(job.grad_height, job.grad_width, job.in_channels, job.out_channels);
  constexpr int PRODUCTS = Plan<S>::PRODUCTS;
  size_t in = plan.in, out = plan.out;
  int per_image = plan.rows * plan.columns, tiles = job.images * per_image;
  size_t sums_size = PRODUCTS * plan.in * plan.out, bytes = 4 * sums_size * 4;  // adding to the sums should not take longer than making them
  bytes = bytes < LEAST_CHUNK ? LEAST_CHUNK : bytes > MOST_CHUNK ? MOST_CHUNK : bytes;
  int chunk = most(TILES, least(tiles, int(bytes / (PRODUCTS * 4 * (in + out))) / TILES * TILES));
  float* v = scratch(0, PRODUCTS * size_t(chunk) * in);
  float* w = scratch(1, PRODUCTS * size_t(chunk) * out);
  float* sums = scratch(2, sums_size);
  for (int start = 0; start < tiles; start += chunk) {
    int count = least(chunk, tiles - start);
    parallel(count, 4, [&](int a, int b) {
      for (int t = a; t < b; t++) {
        int image = (start + t) / per_image, place = (start + t) % per_image, row = place / plan.columns, column = place % plan.columns;
        const float* x = job.x + size_t(image) * job.height * job.width * job.in_channels;
        const float* style = job.style ? job.style + size_t(image) * job.in_channels : nullptr;
        transform_tile<S>(x, job.height, job.width, job.in_channels, style, row, column, v + t * in, chunk * in);
        const float* grad = job.grad + size_t(image) * job.grad_height * job.grad_width * job.out_channels;
        spread_tile<S>(grad, job.grad_height, job.grad_width, job.out_channels, row, column, w + t * out, chunk * out);
      }
    });
    parallel(PRODUCTS * plan.panels, 1, [&](int a, int b) {
      for (int item = a; item < b; item++) {
        size_t product = size_t(item / plan.panels), panel = size_t(item % plan.panels) * PANEL;
        for (int t = 0; t < count; t += TILES)
          multiply_panel(job.in_channels, least(TILES, count - t), v + (product * chunk + t) * in, 1, in, w + (product * chunk + t) * out + panel, out,
                         sums + product * plan.in * plan.out + panel, plan.out, start + t > 0);
      }
    });
  }
  gather_weight(plan, sums, job.in_channels, job.out_channels, job.weight);
}

}  // namespace

void weight_gradient(Scheme scheme, const WeightGradient& job) {
  switch (scheme) {
    case DIRECT: return gradient<Direct>(job);
    case SMALL: return gradient<Small>(job);
    case LARGE: return gradient<Large>(job);
    case DIRECT_UP: return gradient<DirectUp>(job);
    default: return gradient<LargeUp>(job);
  }
}

}  // namespace ISA
