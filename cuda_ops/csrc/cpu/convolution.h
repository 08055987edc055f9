// What a 3 × 3 convolution by minimal filtering is given; plain data, the same for every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dispatch.h"

// How a convolution is carried out, see schemes.h. SAME: 3 × 3, stride 1, padding 1. UP: transposed, stride 2. DOWN: stride 2, no padding.
enum Scheme : int64_t { DIRECT = 0, SMALL = 1, LARGE = 2, DIRECT_UP = 3, LARGE_UP = 4, DIRECT_DOWN = 5, LARGE_DOWN = 6 };

// y = clamp(leaky(convolution(x · style) · factor + gain · (noise + bias); slope), ±clamp). Tensors are channels_last and dense; factor is
// [images, out_channels] and holds gain times demodulation; null leaves a term out; clamp < 0 leaves the clamp out. fir (UP only): the 4 × 4 filter
// with gain 4 and padding 1 follows the convolution, so that the result has exactly twice the size.
template <class Number>
struct Convolution {
  const Number* x;
  const float* style;
  const float* packed;
  const float* factor;
  const float* noise;
  size_t noise_step;  // 0 where all images share one
  const float* bias;
  Number* y;
  int images, height, width, in_channels, out_height, out_width, out_channels;
  float slope, gain, clamp;
  bool fir;
};

// weight[out, in, 3, 3] = gradient of Σ grad · convolution(x · style), for the schemes SAME and UP.
struct WeightGradient {
  const float* x;
  const float* style;
  const float* grad;
  float* weight;
  int images, height, width, in_channels, grad_height, grad_width, out_channels;
};

// Backwards through what follows the sum in Convolution, from y alone: with v = y before the leaky ReLU and dv its gradient,
// dx = dv · factor, of_bias = gain · Σ dv, of_factor = Σ dv · (v − gain · (noise + bias)) / factor, of_noise = gain · Σ over channels.
struct FinishBackward {
  const float* grad;
  const float* y;
  const float* factor;
  const float* noise;
  size_t noise_step;
  const float* bias;
  float* dx;
  float* of_factor;  // [images, channels]
  float* of_bias;    // [images, channels]
  float* of_noise;   // [images, pixels], or null
  int images, pixels, channels;
  float slope, gain, clamp;
};

// dx = grad · style, of_style[images, channels] = Σ grad · x over pixels. dx may be grad.
struct ScaleBackward {
  const float* grad;
  const float* x;
  const float* style;
  float* dx;
  float* of_style;
  int images, pixels, channels;
};

// Threads that share a kernel's work.
int thread_count();

FOR_EACH_ISA(size_t winograd_size(Scheme scheme, int out_channels, int in_channels);
             void winograd_pack(Scheme scheme, const float* weight, int out_channels, int in_channels, bool transposed, bool mirrored,
                                float* packed);
             void winograd_convolve(Scheme scheme, const Convolution<float>& job); void weight_gradient(Scheme scheme, const WeightGradient& job);
             void finish_backward(const FinishBackward& job); void scale_backward(const ScaleBackward& job);)
