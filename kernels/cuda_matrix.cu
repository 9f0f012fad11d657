#include <array>
#include <cstring>
#include <vector>

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_matrix.cuh"

namespace kvwave::kernels {
namespace {

constexpr std::size_t kPlaneAlign = 256;

/// A part of each block that becomes a plane. The first of a type is what threads load 16 bytes at a time.
struct Piece {
  std::size_t offset = 0;
  std::size_t bytes = 0;
};
struct BlockLayout {
  std::array<Piece, 3> pieces;
  unsigned slices_per_block = 1;
};

BlockLayout layout_of(ParamType type) {
  switch (type) {
    case ParamType::q4_0:
      return {{{{2, 16}, {0, 2}, {}}}, 1};
    case ParamType::q4_1:
      return {{{{4, 16}, {0, 4}, {}}}, 1};
    case ParamType::q5_0:
      return {{{{6, 16}, {2, 4}, {0, 2}}}, 1};
    case ParamType::q5_1:
      return {{{{8, 16}, {4, 4}, {0, 4}}}, 1};
    case ParamType::q8_0:
      return {{{{2, 32}, {0, 2}, {}}}, 2};
    case ParamType::q4_k:
      return {{{{0, 144}, {}, {}}}, 8};
    case ParamType::q5_k:
      return {{{{0, 176}, {}, {}}}, 8};
    case ParamType::q6_k:
      return {{{{0, 208}, {208, 2}, {}}}, 8};
    default:
      return {};  // plain values: whole rows, padded
  }
}

bool is_plain(ParamType type) {
  return block_values(type) == 1;
}
std::size_t padded_row(const ParamMatrix& matrix) {
  return ceil_div(matrix.row_stride(), std::size_t{16}) * 16;
}
std::size_t aligned(std::size_t bytes) {
  return ceil_div(bytes, kPlaneAlign) * kPlaneAlign;
}
std::size_t blocks_of(const ParamMatrix& matrix) {
  return std::size_t{matrix.rows} * (matrix.cols / block_values(matrix.type));
}

void split_plain(const ParamMatrix& matrix, unsigned char* out) {
  const std::size_t stride = padded_row(matrix);
  for (std::size_t r = 0; r < matrix.rows; ++r) std::memcpy(out + r * stride, matrix.row(r), matrix.row_stride());
}
void split_piece(const ParamMatrix& matrix, const Piece& piece, unsigned char* out) {
  const std::size_t stride = block_bytes(matrix.type);
  const std::byte* from = matrix.data + piece.offset;
  for (std::size_t b = 0; b < blocks_of(matrix); ++b, from += stride, out += piece.bytes) {
    std::memcpy(out, from, piece.bytes);
  }
}

}  // namespace

std::size_t device_matrix_bytes(const ParamMatrix& matrix) {
  if (is_plain(matrix.type)) return aligned(padded_row(matrix) * matrix.rows);
  std::size_t bytes = 0;
  for (const Piece& piece : layout_of(matrix.type).pieces) bytes += aligned(piece.bytes * blocks_of(matrix));
  return bytes;
}

UploadedMatrix::UploadedMatrix(const ParamMatrix& matrix, cudaStream_t stream)
    : memory_(device_matrix_bytes(matrix),
              {"a parameter matrix", "use a smaller model, a stronger quantisation or --device cpu"}) {
  std::vector<unsigned char> host(memory_.size());
  view_.type = matrix.type;
  view_.rows = matrix.rows;
  view_.cols = matrix.cols;
  if (is_plain(matrix.type)) {
    split_plain(matrix, host.data());
    view_.plane[0] = memory_.data();
    view_.slices = static_cast<unsigned>(padded_row(matrix) / 16);
  } else {
    const BlockLayout layout = layout_of(matrix.type);
    std::size_t at = 0;
    for (std::size_t i = 0; i < layout.pieces.size(); ++i) {
      if (layout.pieces[i].bytes == 0) continue;
      split_piece(matrix, layout.pieces[i], host.data() + at);
      view_.plane[i] = memory_.data() + at;
      at += aligned(layout.pieces[i].bytes * blocks_of(matrix));
    }
    view_.slices = matrix.cols / static_cast<unsigned>(block_values(matrix.type)) * layout.slices_per_block;
  }
  memory_.upload(host, stream);
  KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream));
}

}  // namespace kvwave::kernels
