#include "traces/dataset_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

namespace kvwave::traces {
namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{8} << 20;  ///< most that one block of rows of /qkv takes in memory
constexpr std::uint32_t kQkvRows = 64;
constexpr std::uint32_t kStatRows = 8;      ///< small, so that flushes nearly always find whole chunks (FORMAT.md)
constexpr std::uint32_t kIndexRows = 1024;   ///< datasets of one number per position
constexpr std::uint32_t kByteRows = 4096;    ///< /tokens/bytes
constexpr std::uint32_t kEntryRows = 65536;  ///< /attention/position and prob: 256 KiB and 128 KiB

template <class Value>
void put(std::vector<std::uint8_t>& bytes, Value value) {
  bytes.resize(sizeof(Value));
  std::memcpy(bytes.data(), &value, sizeof(Value));
}

std::uint32_t rows_within(std::uint64_t row_bytes, std::uint32_t most) {
  const std::uint64_t fit = std::max<std::uint64_t>(1, kBlockBytes / std::max<std::uint64_t>(1, row_bytes));
  return static_cast<std::uint32_t>(std::bit_floor(std::min<std::uint64_t>(fit, most)));
}

}  // namespace

std::size_t byte_size(ElementType type) {
  switch (type) {
    case ElementType::u8:
      return 1;
    case ElementType::f16:
      return 2;
    case ElementType::u64:
      return 8;
    default:
      return 4;
  }
}

std::string_view to_string(ElementType type) {
  switch (type) {
    case ElementType::u8:
      return "uint8";
    case ElementType::i32:
      return "int32";
    case ElementType::u32:
      return "uint32";
    case ElementType::u64:
      return "uint64";
    case ElementType::f16:
      return "float16";
    case ElementType::f32:
      return "float32";
  }
  return "unknown";
}

TypeHandle file_type(ElementType type) {
  switch (type) {
    case ElementType::u8:
      return TypeHandle(H5Tcopy(H5T_STD_U8LE));
    case ElementType::i32:
      return TypeHandle(H5Tcopy(H5T_STD_I32LE));
    case ElementType::u32:
      return TypeHandle(H5Tcopy(H5T_STD_U32LE));
    case ElementType::u64:
      return TypeHandle(H5Tcopy(H5T_STD_U64LE));
    case ElementType::f16:
      return half_type();
    case ElementType::f32:
      return TypeHandle(H5Tcopy(H5T_IEEE_F32LE));
  }
  throw std::logic_error("unknown element type");
}

std::uint64_t DatasetSpec::row_bytes() const {
  std::uint64_t bytes = byte_size(type);
  for (const std::uint64_t extent_of : inner) bytes *= extent_of;
  return bytes;
}

std::uint64_t DatasetSpec::chunk_bytes() const {
  return row_bytes() / columns() * chunk_rows;
}

std::vector<std::uint8_t> DatasetSpec::fill_bytes() const {
  std::vector<std::uint8_t> bytes;
  if (type == ElementType::f32) {
    put(bytes, static_cast<float>(fill));
  } else {
    bytes.assign(byte_size(type), 0);  // every other fill value is zero
  }
  return bytes;
}

std::vector<DatasetSpec> dataset_table(const TraceInfo& info) {
  using enum Column;
  using enum ElementType;
  using enum Extent;
  const std::uint64_t layers = info.shape.n_layers;
  const std::uint64_t q_heads = info.shape.n_q_heads;
  const std::uint64_t kv_heads = info.shape.n_kv_heads;
  const std::uint64_t dim = info.shape.head_dim;
  const std::uint64_t n_rho = info.rho.size();
  const ElementType prob_type = info.attention_dtype == FloatType::f16 ? f16 : f32;
  const ElementType qkv_type = info.qkv_dtype == FloatType::f16 ? f16 : f32;
  const std::uint64_t qkv_row = layers * (q_heads + 2 * kv_heads) * dim * byte_size(qkv_type);
  const std::uint32_t qkv_rows = rows_within(qkv_row, kQkvRows);
  const std::uint32_t stat_rows = std::min(rows_within(layers * q_heads * n_rho * 4, kStatRows), qkv_rows);
  const double nan = std::numeric_limits<double>::quiet_NaN();

  std::vector<DatasetSpec> all = {
      {token_id,
       "/tokens/id",
       &Levels::tokens,
       i32,
       position,
       {},
       {"position"},
       false,
       false,
       kIndexRows,
       0,
       "token id"},
      {token_logprob,
       "/tokens/logprob",
       &Levels::tokens,
       f32,
       position,
       {},
       {"position"},
       false,
       false,
       kIndexRows,
       nan,
       "nats"},
      {token_byte_end,
       "/tokens/byte_end",
       &Levels::tokens,
       u64,
       position,
       {},
       {"position"},
       false,
       false,
       kIndexRows,
       0,
       "offset in /tokens/bytes"},
      {token_bytes, "/tokens/bytes", &Levels::tokens, u8, byte, {}, {"byte"}, false, false, kByteRows, 0, "byte"},
  };
  const auto stat = [&](Column column, const char* name, bool Levels::*level, ElementType type, double fill,
                        const char* unit) {
    all.push_back({column,
                   name,
                   level,
                   type,
                   position,
                   {layers, q_heads},
                   {"position", "layer", "q_head"},
                   false,
                   true,
                   stat_rows,
                   fill,
                   unit});
  };
  stat(layer_demand, "/stats/layer_demand", &Levels::stats, f32, 0, "positions");
  all.back().inner = {layers, n_rho};
  all.back().dimensions = {"position", "layer", "rho"};
  stat(demand, "/stats/demand", &Levels::stats, u32, 0, "positions");
  all.back().inner.push_back(n_rho);
  all.back().dimensions.push_back("rho");
  stat(entropy, "/stats/entropy", &Levels::stats, f32, 0, "nats");
  stat(sink_mass, "/stats/sink_mass", &Levels::stats, f32, 0, "probability");
  stat(recent_mass, "/stats/recent_mass", &Levels::stats, f32, 0, "probability");
  stat(max_prob, "/stats/max_prob", &Levels::stats, f32, 0, "probability");
  stat(attention_count, "/attention/count", &Levels::attention, u32, 0, "entries");
  stat(attention_residual, "/attention/residual", &Levels::attention, f32, 1, "probability");
  all.push_back({attention_row_start,
                 "/attention/row_start",
                 &Levels::attention,
                 u64,
                 position,
                 {},
                 {"position"},
                 false,
                 false,
                 kIndexRows,
                 0,
                 "offset in /attention/position"});
  all.push_back({attention_position,
                 "/attention/position",
                 &Levels::attention,
                 u32,
                 entry,
                 {},
                 {"entry"},
                 false,
                 true,
                 kEntryRows,
                 0,
                 "position"});
  all.push_back({attention_prob,
                 "/attention/prob",
                 &Levels::attention,
                 prob_type,
                 entry,
                 {},
                 {"entry"},
                 false,
                 true,
                 kEntryRows,
                 0,
                 "probability"});
  const auto vectors = [&](Column column, const char* name, std::uint64_t heads, const char* head_name) {
    all.push_back({column,
                   name,
                   &Levels::qkv,
                   qkv_type,
                   position,
                   {layers, heads, dim},
                   {"position", "layer", head_name, "dim"},
                   true,
                   false,
                   qkv_rows,
                   0,
                   "as attention used it"});
  };
  vectors(q, "/qkv/q", q_heads, "q_head");
  vectors(k, "/qkv/k", kv_heads, "kv_head");
  vectors(v, "/qkv/v", kv_heads, "kv_head");
  std::erase_if(all, [&](const DatasetSpec& spec) { return !(info.levels.*spec.level); });
  return all;
}

}  // namespace kvwave::traces
