// make_random_model -o MODEL: writes a GGUF model of random parameters, by default of an 8B Llama's shape, as fast as
// the disk takes it and without holding it in memory. --shape names those that people study. Equal options give equal
// bytes. Its text is noise; its speed and its memory are those of a trained model of that shape.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/params.h"
#include "tests/bench/noise_bank.h"
#include "tests/bench/tool_main.h"
#include "tests/capture/tiny_llama.h"
#include "traces/command_options.h"
#include "traces/output_file.h"

namespace {

using namespace kvwave;
using capture::testing::TinyLlama;
using kernels::ParamType;
namespace po = boost::program_options;

constexpr std::uint64_t kAlignment = 32;

struct Request {
  TinyLlama shape;
  std::uint32_t vocab = 0;
  bool is_mixture = false;  ///< some matrices get more bits: Q4_K_M
};

struct KnownShape {
  const char* name;
  const char* architecture;
  std::uint32_t layers, hidden, ffn, q_heads, kv_heads, vocab;
};
// DeepSeek-R1-Distill-Qwen-1.5B and 7B, DeepSeek-R1-Distill-Llama-8B, DeepSeek-R1-Distill-Qwen-14B (config.json of
// each).
constexpr KnownShape kShapes[] = {{"1.5B", "qwen2", 28, 1536, 8960, 12, 2, 151936},
                                  {"7B", "qwen2", 28, 3584, 18944, 28, 4, 152064},
                                  {"8B", "llama", 32, 4096, 14336, 32, 8, 128256},
                                  {"14B", "qwen2", 48, 5120, 13824, 40, 8, 152064}};

struct PlannedTensor {
  std::string name;
  ParamType type = ParamType::f32;
  std::uint64_t rows = 0, cols = 0;
  float spread = 0;  ///< standard deviation; 0 = all ones (norms, biases)

  std::uint64_t row_bytes() const { return kernels::row_bytes(type, cols); }
};

std::vector<PlannedTensor> plan(const Request& request) {
  const TinyLlama& o = request.shape;
  const float in_hidden = 1.0F / std::sqrt(static_cast<float>(o.hidden));
  const float in_ffn = 1.0F / std::sqrt(static_cast<float>(o.ffn));
  const std::uint64_t q_rows = std::uint64_t{o.n_q_heads} * o.head_dim;
  const std::uint64_t kv_rows = std::uint64_t{o.n_kv_heads} * o.head_dim;
  std::vector<PlannedTensor> tensors;
  const auto matrix = [&](const std::string& name, std::uint64_t rows, std::uint64_t cols, float spread,
                          bool more_bits = false) {
    tensors.push_back({name, more_bits ? ParamType::q6_k : o.matrix_type, rows, cols, spread});
  };
  const auto norm = [&](const std::string& name) { tensors.push_back({name, ParamType::f32, 1, o.hidden, 0}); };
  const auto bias = [&](const std::string& name, std::uint64_t size) {
    if (o.architecture == "qwen2") tensors.push_back({name, ParamType::f32, 1, size, 0});
  };
  matrix("token_embd.weight", request.vocab, o.hidden, 1.0F);
  if (!o.tied_output) matrix("output.weight", request.vocab, o.hidden, in_hidden, request.is_mixture);
  norm("output_norm.weight");
  for (std::uint32_t layer = 0; layer < o.n_layers; ++layer) {
    const std::string prefix = fmt::format("blk.{}.", layer);
    // llama.cpp's rule for Q4_K_M: the first and the last eighth of the layers, and every third between.
    const bool more_bits = request.is_mixture &&
                           (layer < o.n_layers / 8 || layer >= 7 * o.n_layers / 8 || (layer - o.n_layers / 8) % 3 == 2);
    norm(prefix + "attn_norm.weight");
    matrix(prefix + "attn_q.weight", q_rows, o.hidden, 1.4F * in_hidden);
    matrix(prefix + "attn_k.weight", kv_rows, o.hidden, 1.4F * in_hidden);
    matrix(prefix + "attn_v.weight", kv_rows, o.hidden, in_hidden, more_bits);
    bias(prefix + "attn_q.bias", q_rows);
    bias(prefix + "attn_k.bias", kv_rows);
    bias(prefix + "attn_v.bias", kv_rows);
    matrix(prefix + "attn_output.weight", o.hidden, q_rows, in_hidden);
    norm(prefix + "ffn_norm.weight");
    matrix(prefix + "ffn_gate.weight", o.ffn, o.hidden, in_hidden);
    matrix(prefix + "ffn_up.weight", o.ffn, o.hidden, in_hidden);
    matrix(prefix + "ffn_down.weight", o.hidden, o.ffn, in_ffn, more_bits);
  }
  return tensors;
}

/// Rows of random blocks, cut from one stretch of them at places that a hash chooses.
class RowSource {
 public:
  RowSource(ParamType type, float spread, std::uint64_t longest_row, std::uint32_t seed)
      : block_bytes_(kernels::block_bytes(type)) {
    const std::uint64_t values = kBankValues + longest_row;
    std::mt19937 random(seed);
    const std::size_t block = kernels::block_values(type);
    bytes_ = capture::testing::random_params(type, 1, (values + block - 1) / block * block, spread, random);
    n_places_ = kBankValues / block;
  }
  std::string_view row(std::uint64_t place, std::uint64_t row_bytes) const {
    return std::string_view(bytes_).substr(bench::mixed(place) % n_places_ * block_bytes_, row_bytes);
  }

 private:
  static constexpr std::uint64_t kBankValues = std::uint64_t{1} << 20;
  std::string bytes_;
  std::uint64_t block_bytes_, n_places_ = 0;
};

class ModelFile {
 public:
  ModelFile(const std::filesystem::path& path, const Request& request)
      : path_(path), request_(request), tensors_(plan(request)) {}

  void write() {
    const std::filesystem::path temporary = path_.string() + ".part";
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    write_header(out);
    for (std::size_t i = 0; i < tensors_.size(); ++i) write_tensor(tensors_[i], i, out);
    out.close();
    if (!out) {
      std::filesystem::remove(temporary);
      throw std::runtime_error(fmt::format("{} cannot be written: is the disk full?", path_.string()));
    }
    std::filesystem::rename(temporary, path_);
  }

 private:
  void write_header(std::ofstream& out) const {
    capture::testing::TinyVocab vocab = capture::testing::tiny_vocab();
    for (std::size_t id = vocab.pieces.size(); id < request_.vocab; ++id) {
      vocab.pieces.push_back(fmt::format("word{}", id));
      vocab.types.push_back(1);
    }
    capture::testing::GgufBuilder header = describe_tiny_llama(request_.shape, vocab);
    header.set_string("general.name", "random");
    std::uint64_t offset = 0;
    for (const PlannedTensor& t : tensors_) {
      std::vector<std::uint64_t> extents = {t.cols};
      if (t.spread != 0) extents.push_back(t.rows);
      header.add_tensor(t.name, extents, capture::testing::gguf_type_number(t.type), {});
      header.tensors.back().offset = static_cast<std::int64_t>(offset);
      offset += padded(t.rows * t.row_bytes());
    }
    out << header.build();
  }

  void write_tensor(const PlannedTensor& tensor, std::uint64_t number, std::ofstream& out) {
    const std::uint64_t row_bytes = tensor.row_bytes();
    if (tensor.spread == 0) {
      const std::vector<float> ones(tensor.cols, 1.0F);
      out.write(reinterpret_cast<const char*>(ones.data()), static_cast<std::streamsize>(row_bytes));
    } else {
      const RowSource& source = source_of(tensor);
      std::string piece;
      for (std::uint64_t row = 0; row < tensor.rows; ++row) {
        piece += source.row((number << 32U) ^ row, row_bytes);
        if (piece.size() >= kPieceBytes || row + 1 == tensor.rows) {
          out << piece;
          piece.clear();
        }
      }
    }
    const std::uint64_t bytes = tensor.rows * row_bytes;
    out << std::string(padded(bytes) - bytes, '\0');
  }

  const RowSource& source_of(const PlannedTensor& tensor) {
    const auto [found, is_new] = sources_.try_emplace({tensor.type, tensor.spread}, nullptr);
    if (is_new) {
      const std::uint64_t longest =
          std::max({request_.shape.hidden, request_.shape.ffn, request_.shape.n_q_heads * request_.shape.head_dim});
      found->second = std::make_unique<RowSource>(tensor.type, tensor.spread, longest,
                                                  request_.shape.seed + static_cast<std::uint32_t>(sources_.size()));
    }
    return *found->second;
  }

  static std::uint64_t padded(std::uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  static constexpr std::size_t kPieceBytes = std::size_t{8} << 20;
  std::filesystem::path path_;
  Request request_;
  std::vector<PlannedTensor> tensors_;
  std::map<std::pair<ParamType, float>, std::unique_ptr<RowSource>> sources_;  // by type and spread
};

ParamType parse_type(const std::string& word) {
  for (std::size_t i = 0; i < kernels::kParamTypeCount; ++i) {
    const auto type = static_cast<ParamType>(i);
    if (word == kernels::to_string(type)) return type;
  }
  throw traces::UsageError(fmt::format("option --type: expected a parameter type such as F16 or Q4_K, got '{}'", word));
}

KnownShape known_shape(const std::string& name) {
  std::vector<std::string> names;
  for (const KnownShape& shape : kShapes) {
    if (name == shape.name) return shape;
    names.emplace_back(shape.name);
  }
  throw traces::UsageError(fmt::format("option --shape: expected {}, got '{}'", fmt::join(names, ", "), name));
}

Request request_of(const po::variables_map& values) {
  const auto number = [&](const char* name, std::uint32_t fallback, std::int64_t highest) {
    if (!values.contains(name)) return fallback;
    return static_cast<std::uint32_t>(traces::parse_integer(name, values[name].as<std::string>(), 1, highest));
  };
  Request request;
  TinyLlama& shape = request.shape;
  const KnownShape known = known_shape(values["shape"].as<std::string>());
  shape.architecture = known.architecture;
  shape.n_layers = number("layers", known.layers, 1024);
  shape.hidden = number("hidden", known.hidden, 1 << 16);
  shape.ffn = number("ffn", known.ffn, 1 << 18);
  shape.n_q_heads = number("q-heads", known.q_heads, 1024);
  shape.n_kv_heads = number("kv-heads", known.kv_heads, 1024);
  shape.head_dim = number("head-dim", 128, 1024);
  shape.context_length = number("context", 32768, 1 << 24);
  shape.seed = number("seed", 1, 1 << 20);
  shape.tied_output = values.contains("tied");
  request.is_mixture = values["type"].as<std::string>() == "Q4_K_M";
  shape.matrix_type = request.is_mixture ? ParamType::q4_k : parse_type(values["type"].as<std::string>());
  shape.embedding_type = shape.matrix_type;
  const auto least = static_cast<std::uint32_t>(capture::testing::tiny_vocab().pieces.size());
  request.vocab = std::max(least, number("vocab", known.vocab, 1 << 22));
  const std::size_t block = kernels::block_values(shape.matrix_type);
  for (const std::uint32_t width : {shape.hidden, shape.ffn, shape.n_q_heads * shape.head_dim}) {
    if (width % block != 0) {
      throw traces::UsageError(fmt::format("option --type: blocks of {} hold {} values, which do not divide rows of {}",
                                           values["type"].as<std::string>(), block, width));
    }
  }
  return request;
}

int make_random_model(std::span<const std::string> args) {
  po::options_description options;
  const auto text = [&](const char* name, const char* value, const char* help) {
    options.add_options()(name, po::value<std::string>()->value_name(value), help);
  };
  text("output,o", "MODEL", "the file to write");
  options.add_options()(
      "type", po::value<std::string>()->value_name("TYPE")->default_value("F16"),
      "of all matrices: F32, F16, BF16, Q8_0, Q4_K, ..., or Q4_K_M: Q4_K and Q6_K mixed as files have it");
  options.add_options()("shape", po::value<std::string>()->value_name("NAME")->default_value("8B"),
                        "of DeepSeek's R1 distills: 1.5B, 7B and 14B (qwen2), 8B (llama)");
  text("layers", "N", "layers, where the shape is to have others");
  text("hidden", "N", "the same: width of the residual stream");
  text("ffn", "N", "width of the feed-forward layer");
  text("q-heads", "N", "query heads");
  text("kv-heads", "N", "KV heads");
  text("head-dim", "N", "channels of a head (128)");
  text("vocab", "N", "pieces (280 at least)");
  text("context", "N", "context length (32768)");
  text("seed", "N", "of the parameters (1)");
  options.add_options()("tied", "the output shares the token embedding")("force,f", "replace an existing file");
  const auto values = traces::parse_options("usage: make_random_model -o MODEL [options]", options, "", args);
  if (!values) return traces::kComplete;
  if (!values->contains("output")) throw traces::UsageError("option -o/--output is required: the file to write");
  const std::filesystem::path path = (*values)["output"].as<std::string>();
  traces::check_output(path, values->contains("force"));
  ModelFile(path, request_of(*values)).write();
  return traces::kComplete;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_tool("make_random_model", argc, argv, make_random_model);
}
