// The strands of cuda_ops/strands.py: checks and allocation. Pictures are shared out among torch's threads.
#include <cstring>
#include <tuple>
#include <vector>

#include "samples.h"
#include "tensors.h"

namespace {

const float* floats_of(const Tensor& x) {
  STD_TORCH_CHECK(x.is_contiguous() && x.scalar_type() == ScalarType::Float, "strands must be contiguous and float32");
  return static_cast<const float*>(x.const_data_ptr());
}

Tensor indices(int64_t count) {
  return torch::stable::empty({count}, ScalarType::Long);
}

Tensor numbers(int64_t count) {
  return torch::stable::empty({count}, ScalarType::Float);
}

template <class Number>
Number* data_of(Tensor& x) {
  return static_cast<Number*>(x.mutable_data_ptr());
}

struct Steps {
  int64_t along, across;
};

// Pixels that something was drawn to, in order: image, row, column, segment, along, across, depth.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> read(const std::vector<uint64_t>& nearest, int64_t resolution, Steps steps) {
  int64_t count = 0;
  for (const uint64_t key : nearest) count += key != 0;
  Tensor image = indices(count), row = indices(count), column = indices(count), segment = indices(count);
  Tensor along = numbers(count), across = numbers(count), depth = numbers(count);
  int64_t *images = data_of<int64_t>(image), *rows = data_of<int64_t>(row), *columns = data_of<int64_t>(column);
  int64_t* segments = data_of<int64_t>(segment);
  float *alongs = data_of<float>(along), *acrosses = data_of<float>(across), *depths = data_of<float>(depth);
  int64_t at = 0;
  const int64_t lines = int64_t(nearest.size()) / resolution;
  for (int64_t line = 0; line < lines; ++line) {
    for (int64_t pixel = 0; pixel < resolution; ++pixel) {
      const uint64_t key = nearest[line * resolution + pixel];
      if (!key) continue;
      const int64_t place = int64_t(key & ((uint64_t(1) << PLACE_BITS) - 1)), stage = place / steps.across;
      const uint32_t bits = uint32_t(key >> PLACE_BITS);
      float inverse;
      std::memcpy(&inverse, &bits, 4);
      images[at] = line / resolution, rows[at] = line % resolution, columns[at] = pixel, segments[at] = stage / steps.along;
      alongs[at] = (float(stage % steps.along) + 0.5f) / float(steps.along);
      acrosses[at] = (float(place % steps.across) + 0.5f) * (2.0f / float(steps.across)) - 1;
      depths[at] = 1 / inverse;
      ++at;
    }
  }
  return {image, row, column, segment, along, across, depth};
}

auto draw(const Tensor& starts, const Tensor& ends, const Tensor& shown, const Tensor& width, int64_t resolution, double relief, double spacing,
          int64_t along_steps, int64_t across_steps) {
  const int64_t batch = shown.size(0), segments = shown.size(1);
  STD_TORCH_CHECK(shown.is_contiguous() && shown.scalar_type() == ScalarType::Bool, "which strands are shown must be contiguous and boolean");
  STD_TORCH_CHECK(starts.numel() == 3 * batch * segments && ends.numel() == 3 * batch * segments && width.numel() == batch * segments,
                  "every segment needs two ends and a width");
  const float *from = floats_of(starts), *to = floats_of(ends), *wide = floats_of(width);
  const uint8_t* worn = static_cast<const uint8_t*>(shown.const_data_ptr());
  std::vector<uint64_t> nearest(size_t(batch * resolution * resolution));
  parallel_for(batch, 1, [&](int64_t first, int64_t last) {
    for (int64_t image = first; image < last; ++image) {
      const int64_t at = image * segments;
      const Strands job{from + at, to + at, worn + at, wide + at, segments, batch * segments, int(resolution), float(relief), float(spacing),
                        int(along_steps), int(across_steps)};
      CALL_BEST(draw_strands, job, nearest.data() + image * resolution * resolution);
    }
  });
  return read(nearest, resolution, {along_steps, across_steps});
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(cuda_ops_cpu, library) {
  library.def(
      "draw_strands(Tensor starts, Tensor ends, Tensor shown, Tensor width, int resolution, float relief, float spacing, int along_steps, "
      "int across_steps) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CPU, library) {
  library.impl("draw_strands", TORCH_BOX(&draw));
}
