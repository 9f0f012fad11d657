// What another program might have recorded, made from a trace that holds full rows, q, k and v in fp32: the files that
// `kvwave import` reads, in each of their arrangements.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/capture/safetensors_builder.h"
#include "tests/zip_builder.h"
#include "traces/npy_array.h"
#include "traces/reader.h"

namespace kvwave::capture::testing {

class RecordingBuilder {
 public:
  explicit RecordingBuilder(const std::filesystem::path& trace) : trace_(trace), n_(trace_.n_positions()) {
    const traces::ModelShape& s = trace_.shape();
    facts = {{"kvwave_recording", 1},
             {"program", "another program 1.0"},
             {"model",
              {{"name", trace_.info().model_name},
               {"architecture", trace_.info().architecture},
               {"n_layers", s.n_layers},
               {"n_q_heads", s.n_q_heads},
               {"n_kv_heads", s.n_kv_heads},
               {"head_dim", s.head_dim},
               {"dtype", "float32"}}},
             {"tokens", {{"n_prompt", trace_.info().n_prompt}}}};
    std::vector<std::int32_t> ids(n_);
    trace_.token_ids(0, n_, ids);
    std::vector<float> logprobs(n_);
    trace_.token_logprobs(0, n_, logprobs);
    facts["tokens"]["ids"] = ids;
    facts["tokens"]["logprobs"] = std::vector<float>(logprobs.begin() + trace_.info().n_prompt, logprobs.end());
    facts["tokens"]["pieces"] = trace_.token_bytes(0, n_);
    read_rows();
  }

  const traces::TraceReader& trace() const { return trace_; }
  /// The entry of a row that is about to be written.
  float& at(std::uint32_t layer, std::uint32_t q_head, std::uint32_t row, std::uint32_t position) {
    return rows_[((std::size_t{layer} * trace_.shape().n_q_heads + q_head) * n_ + row) * n_ + position];
  }

  void write_facts(const std::filesystem::path& path) const { write_bytes(path, facts.dump()); }

  /// [1, Hq, P, P] of a layer.
  std::string layer(std::uint32_t layer) const {
    const std::size_t size = std::size_t{trace_.shape().n_q_heads} * n_ * n_;
    const std::uint64_t shape[] = {1, trace_.shape().n_q_heads, n_, n_};
    return traces::npy_bytes(shape, std::span(rows_).subspan(layer * size, size));
  }
  /// [L, 1, Hq, P, P]
  std::string whole() const {
    const std::uint64_t shape[] = {trace_.shape().n_layers, 1, trace_.shape().n_q_heads, n_, n_};
    return traces::npy_bytes(shape, rows_);
  }
  /// Rows [first, end) over keys [0, end) of a layer: [1, Hq, end - first, end].
  std::string step(std::uint32_t layer, std::uint32_t first, std::uint32_t end) {
    std::vector<float> values;
    for (std::uint32_t h = 0; h < trace_.shape().n_q_heads; ++h) {
      for (std::uint32_t row = first; row < end; ++row) {
        const float* begin = &at(layer, h, row, 0);
        values.insert(values.end(), begin, begin + end);
      }
    }
    const std::uint64_t shape[] = {1, trace_.shape().n_q_heads, end - first, end};
    return traces::npy_bytes(shape, values);
  }

  void write_layers(const std::filesystem::path& path, bool deflate = false) const {
    ZipBuilder zip(true);
    for (std::uint32_t l = 0; l < trace_.shape().n_layers; ++l) {
      zip.add("layer_" + std::to_string(l) + ".npy", layer(l), deflate);
    }
    write_bytes(path, zip.finish());
  }
  void write_steps(const std::filesystem::path& path, bool deflate = false) {
    ZipBuilder zip;
    const std::uint32_t n_prompt = trace_.info().n_prompt;
    for (std::uint32_t s = 0; s + n_prompt <= n_; ++s) {
      for (std::uint32_t l = 0; l < trace_.shape().n_layers; ++l) {
        zip.add("step_" + std::to_string(s) + "_layer_" + std::to_string(l) + ".npy",
                step(l, s == 0 ? 0 : n_prompt + s - 1, n_prompt + s), deflate);
      }
    }
    write_bytes(path, zip.finish());
  }
  void write_folder(const std::filesystem::path& folder) const {
    std::filesystem::create_directories(folder);
    for (std::uint32_t l = 0; l < trace_.shape().n_layers; ++l) {
      write_bytes(folder / ("layer_00" + std::to_string(l) + ".npy"), layer(l));
    }
  }

  /// q, k and v of every layer in fp32; `change` may spoil one ("layers.0.q", [heads, P, d]).
  void write_vectors(const std::filesystem::path& path,
                     const std::function<void(const std::string&, std::vector<float>&)>& change = {}) const {
    const traces::ModelShape& s = trace_.shape();
    nlohmann::json header;
    std::string data;
    for (std::uint32_t l = 0; l < s.n_layers; ++l) {
      for (const char which : {'q', 'k', 'v'}) {
        const std::uint32_t heads = which == 'q' ? s.n_q_heads : s.n_kv_heads;
        std::vector<float> rows(std::size_t{n_} * heads * s.head_dim), turned(rows.size());
        if (which == 'q') trace_.q(l, 0, n_, rows);
        if (which == 'k') trace_.k(l, 0, n_, rows);
        if (which == 'v') trace_.v(l, 0, n_, rows);
        for (std::uint32_t p = 0; p < n_; ++p) {
          for (std::uint32_t h = 0; h < heads; ++h) {
            for (std::uint32_t i = 0; i < s.head_dim; ++i) {
              turned[(std::size_t{h} * n_ + p) * s.head_dim + i] = rows[(std::size_t{p} * heads + h) * s.head_dim + i];
            }
          }
        }
        const std::string name = "layers." + std::to_string(l) + "." + which;
        if (change) change(name, turned);
        const std::size_t begin = data.size();
        data.append(reinterpret_cast<const char*>(turned.data()), turned.size() * sizeof(float));
        header[name] = {
            {"dtype", "F32"}, {"shape", {1, heads, n_, s.head_dim}}, {"data_offsets", {begin, data.size()}}};
      }
    }
    write_bytes(path, safetensors_bytes(header.dump(), data));
  }

  nlohmann::json facts;

 private:
  void read_rows() {
    const traces::ModelShape& s = trace_.shape();
    rows_.resize(std::size_t{s.n_layers} * s.n_q_heads * n_ * n_);
    traces::AttentionRows stored;
    for (std::uint32_t row = 0; row < n_; ++row) {
      trace_.attention(row, stored);
      for (std::uint32_t l = 0; l < s.n_layers; ++l) {
        for (std::uint32_t h = 0; h < s.n_q_heads; ++h) {
          const traces::AttentionRow one = stored.row(l, h);
          for (std::size_t i = 0; i < one.prob.size(); ++i) at(l, h, row, one.position[i]) = one.prob[i];
        }
      }
    }
  }

  traces::TraceReader trace_;
  std::uint32_t n_;
  std::vector<float> rows_;  // [L, Hq, P, P]
};

}  // namespace kvwave::capture::testing
