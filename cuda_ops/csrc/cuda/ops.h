// The operators of this library; contracts and torch references are in the Python modules of the same names.
#pragma once

#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <vector>

namespace cuda_ops {

using torch::stable::Tensor;

Tensor bias_act(const Tensor& x, const std::optional<Tensor>& bias, double slope, double gain, double clamp);

Tensor bias_act_backward(const Tensor& grad, const Tensor& y, double slope, double gain, double clamp);

Tensor upfirdn2d(const Tensor& x, const Tensor& filter, int64_t up, int64_t down, std::vector<int64_t> padding, bool flip, double gain);

Tensor epilogue(const Tensor& x, const std::optional<Tensor>& factor, const std::optional<Tensor>& noise, const std::optional<Tensor>& bias,
                bool fir, double slope, double gain, double clamp);

// The same, times `style` [n, c]: what the next modulated convolution begins with.
Tensor epilogue_styled(const Tensor& x, const std::optional<Tensor>& factor, const std::optional<Tensor>& noise,
                       const std::optional<Tensor>& bias, const Tensor& style, bool fir, double slope, double gain, double clamp);

Tensor to_rgb(const Tensor& x, const Tensor& weight, const Tensor& style, const std::optional<Tensor>& bias,
              const std::optional<Tensor>& image, double clamp);

}  // namespace cuda_ops
