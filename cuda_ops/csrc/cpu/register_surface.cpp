// What cuda_ops/surface.py asks of the pixels that see a triangle: their lists by kind, where on the triangle they lie, and attributes there;
// and the normals of rasterize.vertex_normals.
#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "tensors.h"

namespace {

const float* floats_of(const Tensor& x) {
  STD_TORCH_CHECK(x.is_contiguous() && x.scalar_type() == ScalarType::Float, "vertices and attributes must be contiguous and float32");
  return static_cast<const float*>(x.const_data_ptr());
}

const int64_t* indices_of(const Tensor& x) {
  STD_TORCH_CHECK(x.is_contiguous() && x.scalar_type() == ScalarType::Long, "triangles, faces and kinds must be contiguous and int64");
  return static_cast<const int64_t*>(x.const_data_ptr());
}

struct Vertices {
  const float* screen;      // [batch · vertices, 3]: column, row, depth
  const float* attributes;  // [batch · vertices, channels]
  int64_t channels;
};

// Perspective-correct: the steps of rasterize.locate_pixels, in their order. Returns the depth.
float interpolate(const Vertices& vertices, const int64_t* corner, float column, float row, float* out, int64_t step) {
  float x[3], y[3], depth[3], weight[3];
  for (int k = 0; k < 3; ++k) {
    const float* vertex = vertices.screen + 3 * corner[k];
    x[k] = vertex[0] - column, y[k] = vertex[1] - row, depth[k] = vertex[2];
  }
  const float edge[3] = {x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]};
  for (int k = 0; k < 3; ++k) weight[k] = edge[k] / depth[k];
  const float total = weight[0] + weight[1] + weight[2], area = edge[0] + edge[1] + edge[2];
  for (int k = 0; k < 3; ++k) weight[k] /= total;
  const int64_t channels = vertices.channels;
  const float *first = vertices.attributes + corner[0] * channels, *second = vertices.attributes + corner[1] * channels;
  const float* third = vertices.attributes + corner[2] * channels;
  for (int64_t channel = 0; channel < channels; ++channel)
    out[channel * step] = first[channel] * weight[0] + second[channel] * weight[1] + third[channel] * weight[2];
  return area / total;
}

// [channels, count] → [count, channels]: what a corner needs lies next to each other.
std::vector<float> interleaved(const float* planes, int64_t channels, int64_t count) {
  std::vector<float> result(size_t(channels * count));
  for (int64_t first = 0; first < count; first += 64)  // in blocks that the cache holds
    for (int64_t channel = 0; channel < channels; ++channel)
      for (int64_t i = first; i < std::min(first + 64, count); ++i) result[size_t(i * channels + channel)] = planes[channel * count + i];
  return result;
}

// Lists of (image, row, column), sorted by the kind of the triangle that is seen and then by place; where each kind starts; and at each
// pixel the attributes [channels, pixels] and the depth.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> sample(const Tensor& screen, const Tensor& triangles, const Tensor& face,
                                                                  const Tensor& kind, int64_t kinds, const Tensor& attributes) {
  const int64_t batch = face.size(0), height = face.size(1), width = face.size(2), vertices = screen.size(1), channels = attributes.size(0);
  STD_TORCH_CHECK(attributes.numel() == channels * batch * vertices, "attributes must be [channels, batch, vertices]");
  const int64_t *seen = indices_of(face), *kind_of = indices_of(kind), *corners = indices_of(triangles);
  std::vector<int64_t> next(size_t(kinds + 1), 0);
  for (int64_t i = 0; i < batch * height * width; ++i)
    if (seen[i] >= 0) ++next[size_t(kind_of[seen[i]] + 1)];
  for (int64_t k = 0; k < kinds; ++k) next[size_t(k + 1)] += next[size_t(k)];
  const int64_t count = next[size_t(kinds)];
  const auto integers = [](int64_t size) { return torch::stable::empty({size}, ScalarType::Long); };
  Tensor image = integers(count), row = integers(count), column = integers(count), starts = integers(kinds + 1);
  Tensor values = empty({channels, count}, ScalarType::Float, false), depth = empty({count}, ScalarType::Float, false);
  int64_t *images = static_cast<int64_t*>(image.mutable_data_ptr()), *rows = static_cast<int64_t*>(row.mutable_data_ptr());
  int64_t* columns = static_cast<int64_t*>(column.mutable_data_ptr());
  std::copy(next.begin(), next.end(), static_cast<int64_t*>(starts.mutable_data_ptr()));
  for (int64_t line = 0; line < batch * height; ++line) {
    for (int64_t i = 0; i < width; ++i) {
      const int64_t triangle = seen[line * width + i];
      if (triangle < 0) continue;
      const int64_t at = next[size_t(kind_of[triangle])]++;
      images[at] = line / height, rows[at] = line % height, columns[at] = i;
    }
  }
  const std::vector<float> together = interleaved(floats_of(attributes), channels, batch * vertices);
  const Vertices shared{floats_of(screen), together.data(), channels};
  float *out = static_cast<float*>(values.mutable_data_ptr()), *depths = static_cast<float*>(depth.mutable_data_ptr());
  parallel_for(count, 4096, [&](int64_t first, int64_t last) {
    for (int64_t at = first; at < last; ++at) {
      const int64_t* triangle = corners + 3 * seen[(images[at] * height + rows[at]) * width + columns[at]];
      const int64_t start = images[at] * vertices, corner[3] = {start + triangle[0], start + triangle[1], start + triangle[2]};
      depths[at] = interpolate(shared, corner, float(columns[at]), float(rows[at]), out + at, count);
    }
  });
  return {image, row, column, starts, values, depth};
}

// Unit normals of vertices: every triangle's area vector is added to its corners, all first corners before all second ones.
Tensor normals(const Tensor& vertices, const Tensor& triangles) {
  const int64_t batch = vertices.size(0), count = vertices.size(1), faces = triangles.size(0);
  Tensor result = empty({batch, count, 3}, ScalarType::Float, false);
  const float* from = floats_of(vertices);
  const int64_t* corners = indices_of(triangles);
  float* to = static_cast<float*>(result.mutable_data_ptr());
  parallel_for(batch, 1, [&](int64_t first, int64_t last) {
    std::vector<float> areas(size_t(3 * faces));
    for (int64_t image = first; image < last; ++image) {
      const float* points = from + image * count * 3;
      float* sums = to + image * count * 3;
      std::fill(sums, sums + count * 3, 0.0f);
      for (int64_t face = 0; face < faces; ++face) {
        const float *a = points + 3 * corners[3 * face], *b = points + 3 * corners[3 * face + 1], *c = points + 3 * corners[3 * face + 2];
        const float u[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]}, v[3] = {c[0] - a[0], c[1] - a[1], c[2] - a[2]};
        float* area = areas.data() + 3 * face;
        area[0] = u[1] * v[2] - u[2] * v[1], area[1] = u[2] * v[0] - u[0] * v[2], area[2] = u[0] * v[1] - u[1] * v[0];
      }
      for (int64_t corner = 0; corner < 3; ++corner)
        for (int64_t face = 0; face < faces; ++face)
          for (int64_t axis = 0; axis < 3; ++axis) sums[3 * corners[3 * face + corner] + axis] += areas[size_t(3 * face + axis)];
      for (float* sum = sums; sum < sums + 3 * count; sum += 3) {
        const float length = std::sqrt(std::max(sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2], 1e-20f));
        for (int64_t axis = 0; axis < 3; ++axis) sum[axis] /= length;
      }
    }
  });
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(cuda_ops_cpu, library) {
  library.def(
      "sample_surface(Tensor screen, Tensor triangles, Tensor face, Tensor kind, int kinds, Tensor attributes) -> "
      "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  library.def("vertex_normals(Tensor vertices, Tensor triangles) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CPU, library) {
  library.impl("sample_surface", TORCH_BOX(&sample));
  library.impl("vertex_normals", TORCH_BOX(&normals));
}
