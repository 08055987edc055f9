// 3 × 3 convolutions by minimal filtering: checks and allocation for convolution.h. The Python side (cuda_ops/winograd.py) chooses the scheme.
#include <tuple>

#include "convolution.h"
#include "tensors.h"

int thread_count() {
  return int(torch::stable::get_num_threads());
}

namespace {

const float* numbers(const std::optional<Tensor>& x) {
  if (!x) return nullptr;
  STD_TORCH_CHECK(x->is_contiguous() && x->scalar_type() == ScalarType::Float, "parameters must be contiguous and float32");
  return static_cast<const float*>(x->const_data_ptr());
}

// [n, c, h, w] whose channels lie next to each other, without gaps.
const float* picture(const Tensor& x) {
  const int64_t c = x.size(1), h = x.size(2), w = x.size(3);
  const bool dense = (c == 1 || x.stride(1) == 1) && (w == 1 || x.stride(3) == c) && (h == 1 || x.stride(2) == w * c) &&
                     (x.size(0) == 1 || x.stride(0) == h * w * c);
  STD_TORCH_CHECK(dense && x.scalar_type() == ScalarType::Float, "pictures must be dense, channels_last and float32");
  return static_cast<const float*>(x.const_data_ptr());
}

float* written(Tensor& x) {
  return static_cast<float*>(x.mutable_data_ptr());
}

size_t noise_step(const std::optional<Tensor>& noise) {
  return noise && noise->size(0) > 1 ? size_t(noise->numel() / noise->size(0)) : 0;
}

Tensor new_picture(int64_t images, int64_t channels, int64_t height, int64_t width) {
  return empty({images, channels, height, width}, ScalarType::Float, true);
}

Tensor pack(const Tensor& weight, int64_t scheme, bool transposed, bool mirrored) {
  STD_TORCH_CHECK(weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3, "the weight must be [out, in, 3, 3]");
  const int out = int(weight.size(transposed ? 1 : 0)), in = int(weight.size(transposed ? 0 : 1));
  Tensor packed = empty({int64_t(CALL_BEST(winograd_size, Scheme(scheme), out, in))}, ScalarType::Float, false);
  CALL_BEST(winograd_pack, Scheme(scheme), numbers(weight), out, in, transposed, mirrored, written(packed));
  return packed;
}

void convolve(const Tensor& x, const Tensor& packed, int64_t scheme, bool fir, const std::optional<Tensor>& style,
              const std::optional<Tensor>& factor, const std::optional<Tensor>& noise, const std::optional<Tensor>& bias, double slope,
              double gain, double clamp, Tensor out) {
  Convolution<float> job{};
  job.x = picture(x), picture(out), job.y = written(out);
  job.images = int(x.size(0)), job.height = int(x.size(2)), job.width = int(x.size(3)), job.in_channels = int(x.size(1));
  job.out_height = int(out.size(2)), job.out_width = int(out.size(3)), job.out_channels = int(out.size(1));
  STD_TORCH_CHECK(out.size(0) == x.size(0), "input and result must have as many pictures");
  STD_TORCH_CHECK(packed.numel() == int64_t(CALL_BEST(winograd_size, Scheme(scheme), job.out_channels, job.in_channels)),
                  "the packed weights are of another scheme or size");
  job.packed = numbers(packed);
  job.style = numbers(style), job.factor = numbers(factor), job.noise = numbers(noise), job.bias = numbers(bias);
  job.noise_step = noise_step(noise), job.fir = fir;
  job.slope = float(slope), job.gain = float(gain), job.clamp = float(clamp);
  if (x.numel() && out.numel()) CALL_BEST(winograd_convolve, Scheme(scheme), job);
}

Tensor gradient(const Tensor& x, const std::optional<Tensor>& style, const Tensor& grad, int64_t scheme) {
  Tensor weight = empty({grad.size(1), x.size(1), 3, 3}, ScalarType::Float, false);
  WeightGradient job{};
  job.x = picture(x), job.grad = picture(grad), job.style = numbers(style), job.weight = written(weight);
  job.images = int(x.size(0)), job.height = int(x.size(2)), job.width = int(x.size(3)), job.in_channels = int(x.size(1));
  job.grad_height = int(grad.size(2)), job.grad_width = int(grad.size(3)), job.out_channels = int(grad.size(1));
  STD_TORCH_CHECK(grad.size(0) == x.size(0) && x.numel() && grad.numel(), "input and gradient must have as many pictures, at least one");
  CALL_BEST(weight_gradient, Scheme(scheme), job);
  return weight;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> unfinish(const Tensor& grad, const Tensor& y, const std::optional<Tensor>& factor,
                                                    const std::optional<Tensor>& noise, const std::optional<Tensor>& bias, double slope,
                                                    double gain, double clamp, bool noise_wanted) {
  const int64_t images = y.size(0), channels = y.size(1), pixels = y.size(2) * y.size(3);
  Tensor dx = empty(sizes_of(y), ScalarType::Float, true), of_factor = empty({images, channels}, ScalarType::Float, false);
  Tensor of_bias = empty({images, channels}, ScalarType::Float, false);
  Tensor of_noise = empty({noise_wanted ? images : 0, 1, y.size(2), y.size(3)}, ScalarType::Float, false);
  FinishBackward job{};
  job.grad = picture(grad), job.y = picture(y), job.factor = numbers(factor), job.noise = numbers(noise), job.bias = numbers(bias);
  job.noise_step = noise_step(noise);
  job.dx = written(dx), job.of_factor = written(of_factor), job.of_bias = written(of_bias);
  job.of_noise = noise_wanted ? written(of_noise) : nullptr;
  job.images = int(images), job.pixels = int(pixels), job.channels = int(channels);
  job.slope = float(slope), job.gain = float(gain), job.clamp = float(clamp);
  CALL_BEST(finish_backward, job);
  return {dx, of_factor, of_bias, of_noise};
}

Tensor unscale(Tensor grad, const Tensor& x, const Tensor& style) {
  Tensor of_style = empty({x.size(0), x.size(1)}, ScalarType::Float, false);
  ScaleBackward job{};
  job.grad = picture(grad), job.x = picture(x), job.style = numbers(style), job.dx = written(grad), job.of_style = written(of_style);
  job.images = int(x.size(0)), job.pixels = int(x.size(2) * x.size(3)), job.channels = int(x.size(1));
  CALL_BEST(scale_backward, job);
  return of_style;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(cuda_ops_cpu, library) {
  library.def("new_picture(int images, int channels, int height, int width) -> Tensor");
  library.def("winograd_pack(Tensor weight, int scheme, bool transposed, bool mirrored) -> Tensor");
  library.def(
      "winograd_convolve(Tensor x, Tensor packed, int scheme, bool fir, Tensor? style, Tensor? factor, Tensor? noise, Tensor? bias, "
      "float slope, float gain, float clamp, Tensor(a!) out) -> ()");
  library.def("winograd_weight_gradient(Tensor x, Tensor? style, Tensor grad, int scheme) -> Tensor");
  library.def(
      "finish_backward(Tensor grad, Tensor y, Tensor? factor, Tensor? noise, Tensor? bias, float slope, float gain, float clamp, "
      "bool noise_wanted) -> (Tensor, Tensor, Tensor, Tensor)");
  library.def("scale_backward(Tensor(a!) grad, Tensor x, Tensor style) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CompositeExplicitAutograd, library) {
  library.impl("new_picture", TORCH_BOX(&new_picture));
}

STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CPU, library) {
  library.impl("winograd_pack", TORCH_BOX(&pack));
  library.impl("winograd_convolve", TORCH_BOX(&convolve));
  library.impl("winograd_weight_gradient", TORCH_BOX(&gradient));
  library.impl("finish_backward", TORCH_BOX(&unfinish));
  library.impl("scale_backward", TORCH_BOX(&unscale));
}
