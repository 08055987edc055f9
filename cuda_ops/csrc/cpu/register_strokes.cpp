// One layer of brush strokes, see cuda_ops/strokes.py. Rows of pictures are shared out among torch's threads.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
#include <vector>

#include "tensors.h"

namespace {

const float* floats_of(const Tensor& x) {
  STD_TORCH_CHECK(x.is_contiguous() && x.scalar_type() == ScalarType::Float, "pictures and strokes must be contiguous and float32");
  return static_cast<const float*>(x.const_data_ptr());
}

struct Stroke {
  float x, y, rank, bristle, cosine, sine, colour[3];
};

// The strokes of one picture that may reach each cell, the uppermost first.
class Layer {
 public:
  // strokes: [6, cells, cells]: red, green, blue, cosine and sine of the heading, 1 where it is drawn. grid: [4, cells, cells]: centre x,
  // centre y, rank, bristle. order: the cells by falling rank.
  Layer(const float* strokes, const float* grid, const std::vector<int>& order, int cells, int reach)
      : cells_(cells), most_((2 * reach + 1) * (2 * reach + 1)), strokes_(order.size()), lists_(order.size() * size_t(most_)), counts_(order.size()) {
    const int64_t plane = int64_t(cells) * cells;
    for (const int cell : order) {
      const float *stroke = strokes + cell, *at = grid + cell;
      if (!(stroke[5 * plane] > 0.5f)) continue;
      strokes_[size_t(cell)] = {at[0], at[plane], at[2 * plane], at[3 * plane], stroke[3 * plane], stroke[4 * plane],
                                {stroke[0], stroke[plane], stroke[2 * plane]}};
      const int row = cell / cells, column = cell % cells;
      for (int r = std::max(row - reach, 0); r <= std::min(row + reach, cells - 1); ++r)
        for (int c = std::max(column - reach, 0); c <= std::min(column + reach, cells - 1); ++c) {
          const size_t home = size_t(r * cells + c);
          lists_[home * size_t(most_) + size_t(counts_[home]++)] = cell;
        }
    }
  }

  // Calls look(stroke) for the strokes that may cover a point of the unit square until one does.
  template <class Look>
  void visit(float x, float y, const Look& look) const {
    const size_t home = size_t(int(y * float(cells_)) * cells_ + int(x * float(cells_)));
    const int* list = lists_.data() + home * size_t(most_);
    for (int i = 0; i < counts_[home]; ++i)
      if (look(strokes_[size_t(list[i])])) return;
  }

 private:
  int cells_, most_;
  std::vector<Stroke> strokes_;
  std::vector<int> lists_, counts_;
};

struct Brush {
  float cells, length, width, opacity;
};

struct Touch {
  float alpha = 0, relief = 0, colour[3] = {0, 0, 0};
  bool covered = false;
};

// Whether the stroke covers the point, and how it looks there.
bool covers(const Stroke& stroke, const Brush& brush, float x, float y, Touch& touch) {
  const float dx = (x - stroke.x) * brush.cells, dy = (y - stroke.y) * brush.cells;
  const float u = dx * stroke.cosine + dy * stroke.sine, v = dy * stroke.cosine - dx * stroke.sine;
  const float along = std::fabs(u) / (0.5f * brush.length), across = std::fabs(v) / (0.5f * brush.width);
  const float body = (along * along) * (along * along) + (across * across) * (across * across), ragged = u / brush.length + 0.5f;
  if (body - 0.22f * std::fabs(ragged) > 1.001f) return false;  // whatever its bristles
  const float hairs = std::sin(v * 21 / brush.width + 40 * stroke.bristle) * std::sin(v * 9 / brush.width + 17 * stroke.bristle + 0.6f * u);
  const float end = body + 0.22f * hairs * ragged;
  if (!(end < 1)) return false;
  const float inward = std::clamp((1 - end) / 0.25f, 0.0f, 1.0f);
  touch.covered = true;
  touch.alpha = brush.opacity * (inward * inward * (3 - 2 * inward));
  touch.relief = 0.5f + 0.28f * hairs + 0.30f * (v / brush.width);
  for (int k = 0; k < 3; ++k) touch.colour[k] = stroke.colour[k] * (1 + 0.045f * hairs);
  return true;
}

std::tuple<Tensor, Tensor> lay(const Tensor& painted, const Tensor& height, const Tensor& strokes, const Tensor& grid, int64_t reach, double length,
                               double width, double opacity) {
  const int64_t batch = painted.size(0), size = painted.size(2), plane = size * size, cells = strokes.size(2), spots = cells * cells;
  STD_TORCH_CHECK(painted.size(1) == 3 && painted.size(3) == size && height.numel() == batch * plane, "pictures must be square, with heights");
  STD_TORCH_CHECK(strokes.numel() == batch * 6 * spots && grid.numel() == 4 * spots, "strokes must stand on a square grid");
  Tensor picture = empty({batch, 3, size, size}, ScalarType::Float, false), relief = empty({batch, 1, size, size}, ScalarType::Float, false);
  const float *from = floats_of(painted), *from_height = floats_of(height), *all = floats_of(strokes), *common = floats_of(grid);
  float *to = static_cast<float*>(picture.mutable_data_ptr()), *to_height = static_cast<float*>(relief.mutable_data_ptr());
  std::vector<int> order(static_cast<size_t>(spots));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return common[2 * spots + a] > common[2 * spots + b]; });
  const Brush brush{float(cells), float(length), float(width), float(opacity)};
  for (int64_t image = 0; image < batch; ++image) {
    const Layer layer(all + image * 6 * spots, common, order, int(cells), int(reach));
    parallel_for(size, 16, [&](int64_t first, int64_t last) {
      for (int64_t pixel = first * size; pixel < last * size; ++pixel) {
        const float x = (float(pixel % size) + 0.5f) / float(size), y = (float(pixel / size) + 0.5f) / float(size);
        Touch touch;
        layer.visit(x, y, [&](const Stroke& stroke) { return covers(stroke, brush, x, y, touch); });
        for (int64_t k = 0; k < 3; ++k) {
          const float ground = from[(image * 3 + k) * plane + pixel];
          to[(image * 3 + k) * plane + pixel] = ground + (touch.colour[k] - ground) * touch.alpha;
        }
        to_height[image * plane + pixel] = touch.covered ? touch.relief : from_height[image * plane + pixel];
      }
    });
  }
  return {picture, relief};
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(cuda_ops_cpu, library) {
  library.def(
      "lay_strokes(Tensor painted, Tensor height, Tensor strokes, Tensor grid, int reach, float length, float width, float opacity) -> "
      "(Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CPU, library) {
  library.impl("lay_strokes", TORCH_BOX(&lay));
}
