// The llama forward pass in fp64, written as plainly as its definition, for tests of the decoder.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "capture/model.h"
#include "kernels/half.h"
#include "kernels/params.h"

namespace kvwave::capture::testing {

class ReferenceDecoder {
 public:
  /// With `round_to_f16`, q, k and v are rounded as a cache of halves does.
  ReferenceDecoder(const Model& model, bool round_to_f16) : model_(model), c_(model.config()), f16_(round_to_f16) {
    keys_.resize(c_.n_layers);
    values_.resize(c_.n_layers);
  }

  /// Logits after one more token; its attention rows are in rows().
  std::vector<double> feed(std::int32_t token) {
    const std::size_t position = n_positions_++;
    std::vector<double> x = row_of(model_.token_embedding(), static_cast<std::uint32_t>(token));
    for (std::uint32_t layer = 0; layer < c_.n_layers; ++layer) {
      const LayerParams& p = model_.layers()[layer];
      add(x, times(p.o, attend(layer, position, normed(x, p.attn_norm))));
      const std::vector<double> h = normed(x, p.ffn_norm);
      std::vector<double> gate = times(p.gate, h);
      const std::vector<double> up = times(p.up, h);
      for (std::size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
      add(x, times(p.down, gate));
    }
    return times(model_.output(), normed(x, model_.output_norm()));
  }

  /// Row of one (layer, q_head, position).
  const std::vector<double>& row(std::uint32_t layer, std::uint32_t q_head, std::uint32_t position) const {
    return rows_.at({layer, q_head, position});
  }

 private:
  using Vector = std::vector<double>;

  static Vector row_of(const kernels::ParamMatrix& w, std::uint32_t r) {
    std::vector<float> row(w.cols);
    kernels::dequantise_row(w.type, w.row(r), row);
    return {row.begin(), row.end()};
  }
  static Vector times(const kernels::ParamMatrix& w, const Vector& x) {
    Vector y(w.rows);
    for (std::uint32_t r = 0; r < w.rows; ++r) {
      const Vector row = row_of(w, r);
      for (std::size_t i = 0; i < x.size(); ++i) y[r] += row[i] * x[i];
    }
    return y;
  }
  static void add(Vector& x, const Vector& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }
  Vector normed(const Vector& x, std::span<const float> weight) const {
    double sum = 0;
    for (const double value : x) sum += value * value;
    const double scale = 1 / std::sqrt(sum / static_cast<double>(x.size()) + static_cast<double>(c_.rms_epsilon));
    Vector y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * static_cast<double>(weight[i]);
    return y;
  }
  // Interleaved pairs, as in GGUF files of this architecture.
  void rotate(Vector& heads, std::size_t position) const {
    for (std::size_t i = 0; i < heads.size(); i += 2) {
      const double pair = static_cast<double>(i % c_.head_dim / 2);
      const double angle = static_cast<double>(position) * std::pow(c_.rope_theta, -2 * pair / c_.head_dim);
      const double a = heads[i], b = heads[i + 1];
      heads[i] = a * std::cos(angle) - b * std::sin(angle);
      heads[i + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
  }
  void round(Vector& values) const {
    if (!f16_) return;
    for (double& value : values) {
      value = static_cast<double>(kernels::f16_to_f32(kernels::f32_to_f16(static_cast<float>(value))));
    }
  }
  Vector attend(std::uint32_t layer, std::size_t position, const Vector& x) {
    const LayerParams& p = model_.layers()[layer];
    Vector q = times(p.q, x), k = times(p.k, x), v = times(p.v, x);
    rotate(q, position);
    rotate(k, position);
    for (Vector* each : {&q, &k, &v}) round(*each);
    keys_[layer].push_back(k);
    values_[layer].push_back(v);
    const std::uint32_t d = c_.head_dim;
    Vector out(q.size());
    for (std::uint32_t h = 0; h < c_.n_q_heads; ++h) {
      const std::size_t kv = std::size_t{h / (c_.n_q_heads / c_.n_kv_heads)} * d;
      Vector row(position + 1);
      for (std::size_t i = 0; i <= position; ++i) {
        for (std::uint32_t j = 0; j < d; ++j) row[i] += q[h * d + j] * keys_[layer][i][kv + j];
        row[i] /= std::sqrt(static_cast<double>(d));
      }
      const double largest = *std::max_element(row.begin(), row.end());
      double sum = 0;
      for (double& score : row) sum += score = std::exp(score - largest);
      for (std::size_t i = 0; i <= position; ++i) {
        row[i] /= sum;
        for (std::uint32_t j = 0; j < d; ++j) out[h * d + j] += row[i] * values_[layer][i][kv + j];
      }
      rows_[{layer, h, static_cast<std::uint32_t>(position)}] = row;
    }
    return out;
  }

  const Model& model_;
  const ModelConfig& c_;
  bool f16_;
  std::size_t n_positions_ = 0;
  std::vector<std::vector<Vector>> keys_, values_;  // [layer][position]
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, Vector> rows_;
};

}  // namespace kvwave::capture::testing
