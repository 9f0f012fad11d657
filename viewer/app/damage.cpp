#include "viewer/app/damage.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace kvwave::viewer {
namespace {

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;
  return hash ^ hash >> 29;
}

std::uint64_t hash_of(std::uint64_t hash, const void* data, std::size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(data);
  for (; bytes >= 8; bytes -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    hash = mixed(hash, word);
  }
  std::uint64_t rest = 0;
  std::memcpy(&rest, at, bytes);
  return bytes > 0 ? mixed(hash, rest) : hash;
}

/// Bounds in floating pixels.
struct Box {
  float x0 = std::numeric_limits<float>::max(), y0 = x0, x1 = -x0, y1 = -x0;

  void include(const ImVec2& at) {
    x0 = std::min(x0, at.x), y0 = std::min(y0, at.y);
    x1 = std::max(x1, at.x), y1 = std::max(y1, at.y);
  }
  bool meets(float left, float top, float right, float bottom) const {
    return x0 < right && x1 > left && y0 < bottom && y1 > top;
  }
};

/// A run of triangles that belong together: a quad as Dear ImGui writes it, or one triangle.
struct Piece {
  const ImDrawIdx* index = nullptr;
  unsigned count = 0;
  Box box;
};

Piece piece_at(const ImDrawList& list, const ImDrawCmd& command, unsigned offset) {
  const ImDrawIdx* index = list.IdxBuffer.Data + command.IdxOffset + offset;
  Piece piece{index, 3, {}};
  if (offset + 6 <= command.ElemCount && index[3] == index[0] && index[4] == index[2]) piece.count = 6;
  const ImDrawVert* vertices = list.VtxBuffer.Data + command.VtxOffset;
  for (unsigned i = 0; i < piece.count; ++i) piece.box.include(vertices[index[i]].pos);
  return piece;
}

std::uint64_t piece_hash(const ImDrawList& list, const ImDrawCmd& command, const Piece& piece, std::uint64_t seed) {
  const ImDrawVert* vertices = list.VtxBuffer.Data + command.VtxOffset;
  for (unsigned i = 0; i < piece.count; ++i) {
    if (i == 3 || i == 4) continue;  // the quad's shared corners
    seed = hash_of(seed, &vertices[piece.index[i]], sizeof(ImDrawVert));
  }
  return mixed(seed, piece.count);
}

std::uint64_t command_hash(const ImDrawCmd& command) {
  return hash_of(mixed(0, static_cast<std::uint64_t>(command.GetTexID())), &command.ClipRect, sizeof(command.ClipRect));
}

// Runs of marked tiles, row by row; a run that repeats the one above it grows that rectangle.
std::vector<PixelRect> rectangles(const std::vector<bool>& marked, int columns, int rows) {
  std::vector<PixelRect> done, open;
  for (int y = 0; y <= rows; ++y) {
    std::vector<PixelRect> here;
    for (int x = 0; y < rows && x < columns; ++x) {
      const auto at = [&](int column) { return marked[static_cast<std::size_t>(y * columns + column)]; };
      if (!at(x)) continue;
      const int begin = x;
      while (x < columns && at(x)) ++x;
      here.push_back({begin, y, x, y + 1});
    }
    for (PixelRect& run : here) {
      const auto above =
          std::find_if(open.begin(), open.end(), [&](const PixelRect& r) { return r.x0 == run.x0 && r.x1 == run.x1; });
      if (above == open.end()) continue;
      run.y0 = above->y0;
      open.erase(above);
    }
    done.insert(done.end(), open.begin(), open.end());
    open = std::move(here);
  }
  return done;
}

// The pixels that the backend's scissor leaves: corners truncated, and sizes, not the other corner.
PixelRect scissor_of(const ImVec4& clip, float height) {
  const int x0 = static_cast<int>(clip.x), up = static_cast<int>(height - clip.w);
  const int y1 = static_cast<int>(height) - up;
  return {x0, y1 - static_cast<int>(clip.w - clip.y), x0 + static_cast<int>(clip.z - clip.x), y1};
}

void add_part(const ImDrawCmd& command, const PixelRect& rect, const std::vector<Piece>& pieces, ImDrawList& out) {
  ImDrawCmd part = command;
  part.ClipRect = ImVec4(static_cast<float>(rect.x0), static_cast<float>(rect.y0), static_cast<float>(rect.x1),
                         static_cast<float>(rect.y1));
  part.IdxOffset = static_cast<unsigned>(out.IdxBuffer.Size);
  for (const Piece& piece : pieces) {
    if (!piece.box.meets(part.ClipRect.x - 1, part.ClipRect.y - 1, part.ClipRect.z + 1, part.ClipRect.w + 1)) continue;
    const int begin = out.IdxBuffer.Size;
    out.IdxBuffer.resize(begin + static_cast<int>(piece.count));
    std::copy_n(piece.index, piece.count, out.IdxBuffer.Data + begin);
  }
  part.ElemCount = static_cast<unsigned>(out.IdxBuffer.Size) - part.IdxOffset;
  if (part.ElemCount > 0) out.CmdBuffer.push_back(part);
}

}  // namespace

std::vector<PixelRect> Damage::changed(const ImDrawData& draw) {
  width_ = static_cast<int>(draw.DisplaySize.x), height_ = static_cast<int>(draw.DisplaySize.y);
  columns_ = (width_ + kTile - 1) / kTile, rows_ = (height_ + kTile - 1) / kTile;
  const std::size_t n_tiles = static_cast<std::size_t>(columns_) * static_cast<std::size_t>(rows_);
  const std::vector<PixelRect> all = {{0, 0, width_, height_}};
  next_.assign(n_tiles, 0);
  if (draw.Textures != nullptr) {
    for (const ImTextureData* texture : *draw.Textures) {
      // A new atlas may take an old one's name; more glyphs in the old one change nothing that is on screen.
      if (texture->Status == ImTextureStatus_WantCreate || texture->Status == ImTextureStatus_WantDestroy) forget();
    }
  }
  const auto tile = [](float pixel, int n) {
    return std::clamp(static_cast<int>(std::floor(pixel / static_cast<float>(kTile))), 0, n - 1);
  };
  for (const ImDrawList* list : draw.CmdLists) {
    for (const ImDrawCmd& command : list->CmdBuffer) {
      if (command.UserCallback != nullptr) {
        forget();
        return all;
      }
      const ImVec4& clip = command.ClipRect;
      const std::uint64_t seed = command_hash(command);
      for (unsigned i = 0; i < command.ElemCount;) {
        const Piece piece = piece_at(*list, command, i);
        i += piece.count;
        const Box& box = piece.box;
        if (!box.meets(clip.x, clip.y, clip.z, clip.w)) continue;
        const std::uint64_t hash = piece_hash(*list, command, piece, seed);
        // A pixel's sample point lies inside the box; rounding may move an edge by a hair, hence one pixel more.
        const int left = tile(std::max(box.x0, clip.x) - 1, columns_),
                  right = tile(std::min(box.x1, clip.z) + 1, columns_);
        const int top = tile(std::max(box.y0, clip.y) - 1, rows_), bottom = tile(std::min(box.y1, clip.w) + 1, rows_);
        for (int y = top; y <= bottom; ++y) {
          for (int x = left; x <= right; ++x) {
            std::uint64_t& of_tile = next_[static_cast<std::size_t>(y * columns_ + x)];
            of_tile = mixed(of_tile, hash);
          }
        }
      }
    }
  }
  if (tiles_.size() != n_tiles) {
    std::swap(tiles_, next_);
    return all;
  }
  std::vector<bool> marked(n_tiles);
  for (std::size_t i = 0; i < n_tiles; ++i) marked[i] = tiles_[i] != next_[i];
  std::swap(tiles_, next_);
  std::vector<PixelRect> rects = rectangles(marked, columns_, rows_);
  if (rects.size() > kMostRects) {
    PixelRect box = rects.front();
    for (const PixelRect& r : rects) {
      box = {std::min(box.x0, r.x0), std::min(box.y0, r.y0), std::max(box.x1, r.x1), std::max(box.y1, r.y1)};
    }
    rects = {box};
  }
  for (PixelRect& r : rects) {
    r = {r.x0 * kTile, r.y0 * kTile, std::min(r.x1 * kTile, width_), std::min(r.y1 * kTile, height_)};
  }
  return rects;
}

ClippedFrame::ClippedFrame(const ImDrawData& draw, const std::vector<PixelRect>& rects) : data_(draw) {
  data_.CmdLists.resize(0);
  data_.TotalVtxCount = data_.TotalIdxCount = 0;
  std::vector<Piece> pieces;
  for (const ImDrawList* list : draw.CmdLists) {
    auto cut = std::make_unique<ImDrawList>(list->_Data);
    for (const ImDrawCmd& command : list->CmdBuffer) {
      const PixelRect clip = scissor_of(command.ClipRect, draw.DisplaySize.y);
      pieces.clear();
      for (const PixelRect& rect : rects) {
        const PixelRect both{std::max(clip.x0, rect.x0), std::max(clip.y0, rect.y0), std::min(clip.x1, rect.x1),
                             std::min(clip.y1, rect.y1)};
        if (both.x0 >= both.x1 || both.y0 >= both.y1) continue;
        for (unsigned i = pieces.empty() ? 0 : command.ElemCount; i < command.ElemCount; i += pieces.back().count)
          pieces.push_back(piece_at(*list, command, i));
        add_part(command, both, pieces, *cut);
      }
    }
    if (cut->CmdBuffer.Size == 0) continue;
    cut->VtxBuffer = list->VtxBuffer;
    data_.CmdLists.push_back(cut.get());
    data_.TotalVtxCount += cut->VtxBuffer.Size;
    data_.TotalIdxCount += cut->IdxBuffer.Size;
    lists_.push_back(std::move(cut));
  }
  data_.CmdListsCount = data_.CmdLists.Size;
}

}  // namespace kvwave::viewer
