// upfirdn2d, epilogue and to_rgb: checks, allocation, and the numbers in the form that the kernels want.
#include <algorithm>
#include <cmath>

#include "tensors.h"

namespace {

// The filter as column · row, if it is such a product up to rounding.
bool separate(const std::vector<float>& plane, int64_t rows, int64_t columns, std::vector<float>& column, std::vector<float>& row) {
  size_t pivot = 0;
  for (size_t i = 0; i < plane.size(); ++i)
    if (std::fabs(plane[i]) > std::fabs(plane[pivot])) pivot = i;
  const float largest = plane[pivot];
  if (largest == 0.0f) return false;
  const int64_t y = int64_t(pivot) / columns, x = int64_t(pivot) % columns;
  column.resize(rows);
  row.resize(columns);
  for (int64_t i = 0; i < rows; ++i) column[i] = plane[i * columns + x];
  for (int64_t j = 0; j < columns; ++j) row[j] = plane[y * columns + j] / largest;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      if (!(std::fabs(plane[i * columns + j] - column[i] * row[j]) <= 2e-7f * std::fabs(largest))) return false;
  return true;
}

Tensor upfirdn2d(const Tensor& x, const Tensor& filter, int64_t up, int64_t down, const std::vector<int64_t>& padding, bool flip, double gain) {
  STD_TORCH_CHECK(x.dim() == 4 && filter.dim() == 2 && padding.size() == 4 && up > 0 && down > 0, "upfirdn2d got wrong shapes");
  const bool last = is_channels_last(x);
  const int64_t rows = filter.size(0), columns = filter.size(1), channels = x.size(1);
  Resample a{};
  a.images = last ? x.size(0) : x.size(0) * channels;
  a.inner = last ? channels : 1;
  a.height = x.size(2);
  a.width = x.size(3);
  a.rows = rows;
  a.columns = columns;
  a.up = up;
  a.down = down;
  a.left = padding[0];
  a.top = padding[2];
  const int64_t stuffed_width = a.width * up + padding[0] + padding[1], stuffed_height = a.height * up + padding[2] + padding[3];
  STD_TORCH_CHECK(rows > 0 && columns > 0 && stuffed_width >= columns && stuffed_height >= rows, "the filter is larger than the padded picture");
  a.out_width = (stuffed_width - columns) / down + 1;
  a.out_height = (stuffed_height - rows) / down + 1;
  std::vector<float> plane = floats(filter, float(gain)), column, row;
  if (!flip) std::reverse(plane.begin(), plane.end());
  if (separate(plane, rows, columns, column, row)) {
    a.taps_y = column.data();
    a.taps_x = row.data();
  } else {
    a.plane = plane.data();
  }
  Tensor out = empty({x.size(0), channels, a.out_height, a.out_width}, x.scalar_type(), last);
  a.half = is_half(x);
  a.x = x.const_data_ptr();
  a.out = out.mutable_data_ptr();
  if (out.numel()) CALL_BEST(resample, a);
  return out;
}

const float* noise_of(const Tensor& noise, Epilogue& a) {
  const bool shared = noise.dim() == 4 && noise.size(0) == 1;
  STD_TORCH_CHECK(noise.is_contiguous() && !is_half(noise) && noise.numel() == (shared ? 1 : a.images) * a.height * a.width,
                  "noise must be float32, contiguous, and one number per pixel");
  a.noise_step = shared ? 0 : a.height * a.width;
  return static_cast<const float*>(noise.const_data_ptr());
}

// Writes to `out`, which may be x itself without fir.
void epilogue_to(const Tensor& x, const std::optional<Tensor>& factor, const std::optional<Tensor>& noise, const std::optional<Tensor>& bias,
                 bool fir, double slope, double gain, double clamp, const Tensor& out) {
  Epilogue a{};
  a.images = x.size(0);
  a.channels = x.size(1);
  a.height = x.size(2) - (fir ? 1 : 0);
  a.width = x.size(3) - (fir ? 1 : 0);
  a.fir = fir;
  a.channels_last = is_channels_last(x);
  a.half = is_half(x);
  STD_TORCH_CHECK(slope >= 0 && slope <= 1 && gain > 0, "slope must lie in [0, 1], and gain must be positive");
  STD_TORCH_CHECK(out.dim() == 4 && out.size(0) == a.images && out.size(1) == a.channels && out.size(2) == a.height && out.size(3) == a.width &&
                      is_half(out) == a.half && (is_channels_last(out) == a.channels_last || a.height * a.width == 1),
                  "the result does not fit");
  a.activation = {float(slope), float(gain), clamp_in(a.half, clamp)};
  const float scale = float(fir ? gain / 16 : gain);  // 1, 3, 3, 1 on both axes sum to 64, and the FIR's gain is 4
  const std::vector<float> factors = factor ? floats(*factor, scale) : std::vector<float>(size_t(a.images * a.channels), scale);
  const std::vector<float> biases = bias ? floats(*bias, float(gain)) : std::vector<float>(size_t(a.channels), 0.0f);
  STD_TORCH_CHECK(int64_t(factors.size()) == a.images * a.channels && int64_t(biases.size()) == a.channels, "factor or bias does not fit");
  a.factor = factors.data();
  a.bias = biases.data();
  if (noise) a.noise = noise_of(*noise, a);
  a.x = x.const_data_ptr();
  a.out = out.mutable_data_ptr();
  if (out.numel()) CALL_BEST(epilogue, a);
}

Tensor epilogue(const Tensor& x, const std::optional<Tensor>& factor, const std::optional<Tensor>& noise, const std::optional<Tensor>& bias,
                bool fir, double slope, double gain, double clamp) {
  STD_TORCH_CHECK(x.dim() == 4, "epilogue needs pictures");
  const int64_t extra = fir ? 1 : 0;
  Tensor out = empty({x.size(0), x.size(1), x.size(2) - extra, x.size(3) - extra}, x.scalar_type(), is_channels_last(x));
  epilogue_to(x, factor, noise, bias, fir, slope, gain, clamp, out);
  return out;
}

Tensor to_rgb(const Tensor& x, const Tensor& weight, const Tensor& style, const std::optional<Tensor>& bias, const std::optional<Tensor>& image,
              double clamp) {
  ToRgb a{};
  a.images = x.size(0);
  a.channels = x.size(1);
  a.height = x.size(2);
  a.width = x.size(3);
  a.channels_last = is_channels_last(x);
  a.half = is_half(x);
  a.clamp = float(clamp);
  const std::vector<float> plain = floats(weight), scale = floats(style);
  std::vector<float> biases = bias ? floats(*bias) : std::vector<float>(3, 0.0f), own(size_t(a.images * 3 * a.channels));
  STD_TORCH_CHECK(int64_t(plain.size()) == 3 * a.channels && int64_t(scale.size()) == a.images * a.channels && biases.size() == 3,
                  "weight, style or bias does not fit");
  for (int64_t n = 0; n < a.images; ++n)
    for (int64_t colour = 0; colour < 3; ++colour)
      for (int64_t c = 0; c < a.channels; ++c) own[(n * 3 + colour) * a.channels + c] = plain[colour * a.channels + c] * scale[n * a.channels + c];
  a.weight = own.data();
  a.bias = biases.data();
  if (image) {
    STD_TORCH_CHECK(image->is_contiguous() && !is_half(*image) && a.height % 2 == 0 && a.width % 2 == 0 && image->dim() == 4 &&
                        image->size(0) == a.images && image->size(1) == 3 && image->size(2) == a.height / 2 && image->size(3) == a.width / 2,
                    "the picture so far must be float32, contiguous, of half the size");
    a.image = static_cast<const float*>(image->const_data_ptr());
  }
  Tensor out = empty({a.images, 3, a.height, a.width}, ScalarType::Float, false);
  a.out = static_cast<float*>(out.mutable_data_ptr());
  a.x = x.const_data_ptr();
  if (out.numel()) CALL_BEST(to_rgb, a);
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(cuda_ops_cpu, library) {
  library.def("upfirdn2d(Tensor x, Tensor filter, int up, int down, int[] padding, bool flip, float gain) -> Tensor");
  library.def(
      "epilogue(Tensor x, Tensor? factor, Tensor? noise, Tensor? bias, bool fir, float slope, float gain, float clamp) -> Tensor");
  library.def(
      "epilogue_to(Tensor x, Tensor? factor, Tensor? noise, Tensor? bias, bool fir, float slope, float gain, float clamp, Tensor(a!) out) -> ()");
  library.def("to_rgb(Tensor x, Tensor weight, Tensor style, Tensor? bias, Tensor? image, float clamp) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CPU, library) {
  library.impl("upfirdn2d", TORCH_BOX(&upfirdn2d));
  library.impl("epilogue", TORCH_BOX(&epilogue));
  library.impl("epilogue_to", TORCH_BOX(&epilogue_to));
  library.impl("to_rgb", TORCH_BOX(&to_rgb));
}
