// The rasteriser of cuda_ops/rasterize.py: which triangle each pixel sees, where on it, and the gradient of the latter.
//
// Compiled once and without fused multiply-adds, so that every machine sees the same triangle at every pixel.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

#include "convolution.h"
#include "tensors.h"

namespace {

struct Mesh {
  const float* screen;  // [vertices, 3]: column, row, depth
  const int64_t* triangles;
  int64_t vertices, faces;
  int resolution;
};

uint64_t key_of(float inverse_depth, int64_t face) {
  uint32_t bits;
  std::memcpy(&bits, &inverse_depth, 4);
  return uint64_t(bits) << 32 | (0xFFFFFFFFu - uint32_t(face));
}

int next_whole(float value) {
  const int whole = int(value);
  return whole + (float(whole) < value);
}

// Enter a triangle into rows [top, bottom) of the buffer of keys: bits of 1/depth, then the face index counted downwards.
void draw(const Mesh& mesh, int64_t face, bool cull, float tolerance, int first_row, int last_row, uint64_t* nearest) {
  const int64_t* corner = mesh.triangles + 3 * face;
  const float *a = mesh.screen + 3 * corner[0], *b = mesh.screen + 3 * corner[1], *c = mesh.screen + 3 * corner[2];
  const float x1 = b[0] - a[0], y1 = b[1] - a[1], x2 = c[0] - a[0], y2 = c[1] - a[1], area = x1 * y2 - x2 * y1;
  if (cull ? !(area < -1e-9f) : !(std::abs(area) > 1e-9f)) return;
  // Cut to the picture, numbers are not negative, and whole ones next to them are found without a call.
  const float low = std::max(std::min(std::min(a[1], b[1]), c[1]), float(first_row));
  const float high = std::min(std::max(std::max(a[1], b[1]), c[1]), float(last_row - 1));
  const float start = std::max(std::min(std::min(a[0], b[0]), c[0]), 0.0f);
  const float end = std::min(std::max(std::max(a[0], b[0]), c[0]), float(mesh.resolution - 1));
  if (!(low <= high) || !(start <= end) || !(std::min(std::min(a[2], b[2]), c[2]) > 0)) return;
  const int top = next_whole(low), bottom = int(high), left = next_whole(start), right = int(end);
  const float scale = 1 / area, near = 1 / a[2], near1 = 1 / b[2] - near, near2 = 1 / c[2] - near;
  for (int row = top; row <= bottom; ++row) {
    const float dy = float(row) - a[1];
    uint64_t* line = nearest + size_t(row) * mesh.resolution;
    for (int column = left; column <= right; ++column) {
      const float dx = float(column) - a[0], one = (dx * y2 - dy * x2) * scale, two = (dy * x1 - dx * y1) * scale;
      if (!(std::min(std::min(one, two), 1 - one - two) >= -tolerance)) continue;
      const uint64_t key = key_of(std::max(near + one * near1 + two * near2, 1e-12f), face);
      line[column] = std::max(line[column], key);
    }
  }
}

const float* floats_of(const Tensor& x) {
  STD_TORCH_CHECK(x.is_contiguous() && x.scalar_type() == ScalarType::Float, "vertices and gradients must be contiguous and float32");
  return static_cast<const float*>(x.const_data_ptr());
}

const int64_t* indices_of(const Tensor& x) {
  STD_TORCH_CHECK(x.is_contiguous() && x.scalar_type() == ScalarType::Long, "triangles and faces must be contiguous and int64");
  return static_cast<const int64_t*>(x.const_data_ptr());
}

template <class Body>
void parallel(int64_t count, const Body& body) {
  parallel_for(count, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) body(i);
  });
}

Tensor visible(const Tensor& screen, const Tensor& triangles, int64_t resolution, bool cull, double tolerance) {
  const int64_t batch = screen.size(0), size = resolution * resolution;
  Tensor face = torch::stable::empty({batch, resolution, resolution}, ScalarType::Long);
  const float* from = floats_of(screen);
  int64_t* out = static_cast<int64_t*>(face.mutable_data_ptr());
  const int64_t threads = thread_count(), bands = batch >= threads ? 1 : threads;
  parallel(batch * bands, [&](int64_t item) {
    const int64_t image = item / bands, band = item % bands;
    const Mesh mesh{from + image * screen.size(1) * 3, indices_of(triangles), screen.size(1), triangles.size(0), int(resolution)};
    const int first = int(resolution * band / bands), last = int(resolution * (band + 1) / bands);
    uint64_t* nearest = reinterpret_cast<uint64_t*>(out + image * size);
    std::fill(nearest + first * resolution, nearest + last * resolution, uint64_t(0));
    for (int64_t i = 0; i < mesh.faces; ++i) draw(mesh, i, cull, float(tolerance), first, last, nearest);
    for (int64_t i = first * resolution; i < last * resolution; ++i)
      out[image * size + i] = nearest[i] ? int64_t(0xFFFFFFFFu - uint32_t(nearest[i])) : -1;
  });
  return face;
}

// Corners of a pixel's triangle, measured from the pixel, and what follows from them.
struct Place {
  const int64_t* corner;
  float x[3], y[3], depth[3], flat[3], weight[3], area, distance;

  Place(const Mesh& mesh, int64_t face, int column, int row) : corner(mesh.triangles + 3 * face) {
    for (int k = 0; k < 3; ++k) {
      const float* vertex = mesh.screen + 3 * corner[k];
      x[k] = vertex[0] - float(column), y[k] = vertex[1] - float(row), depth[k] = vertex[2];
    }
    const float edge[3] = {x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]};
    area = edge[0] + edge[1] + edge[2];
    float total = 0;
    for (int k = 0; k < 3; ++k) {
      flat[k] = edge[k] / area;
      weight[k] = flat[k] / depth[k];
      total += weight[k];
    }
    distance = 1 / total;
  }
};

std::tuple<Tensor, Tensor> locate(const Tensor& screen, const Tensor& triangles, const Tensor& face) {
  const int64_t batch = face.size(0), height = face.size(1), width = face.size(2);
  Tensor barycentric = empty({batch, height, width, 3}, ScalarType::Float, false), depth = empty({batch, height, width}, ScalarType::Float, false);
  const float* from = floats_of(screen);
  const int64_t* seen = indices_of(face);
  float* weights = static_cast<float*>(barycentric.mutable_data_ptr());
  float* distances = static_cast<float*>(depth.mutable_data_ptr());
  parallel(batch * height, [&](int64_t line) {
    const Mesh mesh{from + line / height * screen.size(1) * 3, indices_of(triangles), screen.size(1), triangles.size(0), int(width)};
    for (int64_t column = 0; column < width; ++column) {
      const int64_t at = line * width + column;
      if (seen[at] < 0) {
        weights[3 * at] = weights[3 * at + 1] = weights[3 * at + 2] = distances[at] = 0;
        continue;
      }
      const Place place(mesh, seen[at], int(column), int(line % height));
      for (int k = 0; k < 3; ++k) weights[3 * at + k] = place.weight[k] * place.distance;
      distances[at] = place.distance;
    }
  });
  return {barycentric, depth};
}

Tensor locate_backward(const Tensor& of_barycentric, const Tensor& of_depth, const Tensor& screen, const Tensor& triangles, const Tensor& face) {
  const int64_t batch = face.size(0), height = face.size(1), width = face.size(2), vertices = screen.size(1);
  Tensor of_screen = torch::stable::new_zeros(screen, sizes_of(screen));
  const float *from = floats_of(screen), *weights = floats_of(of_barycentric), *distances = floats_of(of_depth);
  const int64_t* seen = indices_of(face);
  float* to = static_cast<float*>(of_screen.mutable_data_ptr());
  parallel(batch, [&](int64_t image) {  // one thread per image: sums do not depend on their number
    const Mesh mesh{from + image * vertices * 3, indices_of(triangles), vertices, triangles.size(0), int(width)};
    float* sums = to + image * vertices * 3;
    for (int64_t pixel = 0; pixel < height * width; ++pixel) {
      const int64_t at = image * height * width + pixel;
      if (seen[at] < 0) continue;
      const Place place(mesh, seen[at], int(pixel % width), int(pixel / width));
      const float* g = weights + 3 * at;
      float mean = 0, of_flat[3], of_edge[3], of_vertex[3][3] = {};
      for (int k = 0; k < 3; ++k) mean += g[k] * place.weight[k] * place.distance;
      const float common = mean + distances[at] * place.distance;
      float flat_mean = 0;
      for (int k = 0; k < 3; ++k) {
        const float of_weight = place.distance * (g[k] - common);
        of_flat[k] = of_weight / place.depth[k];
        of_vertex[k][2] = -of_flat[k] * place.weight[k];
        flat_mean += of_flat[k] * place.flat[k];
      }
      for (int k = 0; k < 3; ++k) of_edge[k] = (of_flat[k] - flat_mean) / place.area;
      for (int k = 0; k < 3; ++k) {  // edge k = x[k+1] y[k+2] − x[k+2] y[k+1]
        const int i = (k + 1) % 3, j = (k + 2) % 3;
        of_vertex[i][0] += of_edge[k] * place.y[j];
        of_vertex[j][1] += of_edge[k] * place.x[i];
        of_vertex[j][0] -= of_edge[k] * place.y[i];
        of_vertex[i][1] -= of_edge[k] * place.x[j];
      }
      for (int k = 0; k < 3; ++k)
        for (int axis = 0; axis < 3; ++axis) sums[3 * place.corner[k] + axis] += of_vertex[k][axis];
    }
  });
  return of_screen;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(cuda_ops_cpu, library) {
  library.def("visible_faces(Tensor screen, Tensor triangles, int resolution, bool cull, float tolerance) -> Tensor");
  library.def("locate(Tensor screen, Tensor triangles, Tensor face) -> (Tensor, Tensor)");
  library.def("locate_backward(Tensor of_barycentric, Tensor of_depth, Tensor screen, Tensor triangles, Tensor face) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(cuda_ops_cpu, CPU, library) {
  library.impl("visible_faces", TORCH_BOX(&visible));
  library.impl("locate", TORCH_BOX(&locate));
  library.impl("locate_backward", TORCH_BOX(&locate_backward));
}
