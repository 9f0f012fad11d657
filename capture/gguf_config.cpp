#include "capture/gguf_config.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "capture/config_limits.h"
#include "capture/error.h"
#include "capture/gguf_keys.h"
#include "capture/model_parts.h"
#include "capture/printable.h"
#include "capture/rope_scaling.h"

namespace kvwave::capture {
namespace {

class GgufConfigReader {
 public:
  GgufConfigReader(const GgufFile& file, const Architecture& architecture, const TensorDirectory& tensors)
      : file_(file), architecture_(architecture), tensors_(tensors) {}

  ModelConfig run() {
    c_.architecture = architecture_.name;
    c_.name = file_.string("general.name").value_or(file_.path().stem().string());
    if (file_.unsigned_integer(key("expert_count")).value_or(0) != 0) unsupported("a mixture of experts");
    c_.n_layers = integer("block_count", kMostLayers);
    c_.context_length = integer("context_length", kLongestContext);
    c_.hidden = integer("embedding_length", kWidest);
    c_.ffn = integer("feed_forward_length", kWidest);
    c_.rms_epsilon =
        static_cast<float>(real_key(file_, key("attention.layer_norm_rms_epsilon"), kLeastEpsilon, kLargestEpsilon));
    read_heads();
    read_window();
    read_rope();
    read_vocab_size();
    c_.tied_output = tensors_.find(kGgufNames.output) == nullptr;
    return std::move(c_);
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    throw BadModelFile(fmt::format("{}: {}", file_.path().string(), what));
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    throw UnsupportedModel(fmt::format("{}: {}", file_.path().string(), what));
  }
  std::string key(std::string_view suffix) const { return fmt::format("{}.{}", architecture_.name, suffix); }
  std::uint32_t integer(std::string_view suffix, std::uint32_t largest,
                        std::optional<std::uint32_t> fallback = std::nullopt) const {
    return positive_key(file_, key(suffix), largest, fallback);
  }
  double scale(std::string_view suffix, double fallback) const {
    return real_key(file_, key(suffix), 0.0, kLargestScale, fallback);
  }

  void read_heads() {
    c_.n_q_heads = integer("attention.head_count", kMostHeads);
    c_.n_kv_heads = integer("attention.head_count_kv", kMostHeads, c_.n_q_heads);
    if (c_.n_q_heads % c_.n_kv_heads != 0) {
      bad(fmt::format("{} query heads are not a multiple of {} KV heads", c_.n_q_heads, c_.n_kv_heads));
    }
    if (file_.find(key("attention.key_length")) == nullptr && c_.hidden % c_.n_q_heads != 0) {
      bad(fmt::format("embedding length {} is not a multiple of {} query heads", c_.hidden, c_.n_q_heads));
    }
    c_.head_dim = integer("attention.key_length", kWidestHead, c_.hidden / c_.n_q_heads);
    if (c_.head_dim % 2 != 0) bad(fmt::format("head dimension {} is odd, rotary positions need pairs", c_.head_dim));
    const auto value_dim = integer("attention.value_length", kWidestHead, c_.head_dim);
    if (value_dim != c_.head_dim) {
      unsupported(fmt::format("value length {} differs from key length {}", value_dim, c_.head_dim));
    }
    const auto rotated = integer("rope.dimension_count", kWidestHead, c_.head_dim);
    if (rotated != c_.head_dim) {
      unsupported(fmt::format("only {} of {} dimensions of a head are rotated", rotated, c_.head_dim));
    }
  }

  void read_window() const {
    const auto window = file_.unsigned_integer(key("attention.sliding_window")).value_or(0);
    if (window != 0 && window < c_.context_length) {
      unsupported(fmt::format("sliding-window attention over {} of {} positions; kvwave decodes full attention only",
                              window, c_.context_length));
    }
  }

  void read_rope() {
    c_.rope_theta = real_key(file_, key("rope.freq_base"), 1.0, kLargestTheta, 10000.0);
    c_.rope_layout = architecture_.gguf_rope_layout;
    const std::string type = file_.string(key("rope.scaling.type")).value_or("linear");
    if (type != "none" && type != "linear" && type != "yarn") {
      unsupported(fmt::format("rope scaling type {}; known types are none, linear and yarn", printable(type)));
    }
    const double stated = scale("rope.scaling.factor", scale("rope.scale_linear", 1.0));
    const double factor = type == "none" || stated == 0.0 ? 1.0 : stated;  // files may state 0 for none
    const bool has_divisors = tensors_.find(kGgufNames.ignored) != nullptr;
    if (has_divisors && (type == "yarn" || factor != 1.0)) {
      unsupported(fmt::format("both {} rope scaling and tensor 'rope_freqs.weight'", type));
    }
    if (type == "yarn") return apply(yarn(factor), c_);
    if (scale("rope.scaling.attn_factor", 1.0) != 1.0) unsupported("rope scaling with an attention factor");
    apply(has_divisors ? given_divisors(divisors()) : linear_scaling(c_.head_dim, factor), c_);
  }

  // llama.cpp multiplies its own factor, 0.1 ln(factor) + 1, by the one in the file.
  RopeScaling yarn(double factor) const {
    if (file_.find(key("rope.scaling.yarn_log_multiplier")) != nullptr) unsupported("yarn with a log multiplier");
    if (c_.rope_theta <= 1) bad("yarn needs a rope base above 1");
    YarnScaling yarn;
    yarn.factor = factor;
    yarn.original_context = integer("rope.scaling.original_context_length", kLongestContext, c_.context_length);
    yarn.beta_fast = real_key(file_, key("rope.scaling.yarn_beta_fast"), 1e-6, kLargestScale, yarn.beta_fast);
    yarn.beta_slow = real_key(file_, key("rope.scaling.yarn_beta_slow"), 1e-6, kLargestScale, yarn.beta_slow);
    RopeScaling scaling = yarn_scaling(c_.head_dim, c_.rope_theta, yarn);
    const double stated = scale("rope.scaling.attn_factor", 1.0);
    if (stated != 1.0) {
      yarn.attention_factor = stated * scaling.attention_factor;
      scaling = yarn_scaling(c_.head_dim, c_.rope_theta, yarn);
    }
    return scaling;
  }

  std::vector<float> divisors() const {
    std::vector<float> values = tensors_.vector(kGgufNames.ignored, c_.head_dim / 2);
    if (std::any_of(values.begin(), values.end(), [](float d) { return d < 1e-6F || d > 1e6F; })) {
      bad("tensor 'rope_freqs.weight' holds a divisor outside 1e-6 to 1e6");
    }
    return values;
  }

  // The embedding decides the vocabulary's size; a key that says otherwise is a contradiction.
  void read_vocab_size() {
    c_.vocab_size = embedding_rows(tensors_, kGgufNames);
    const auto stated = integer("vocab_size", 1U << 24, c_.vocab_size);
    if (stated != c_.vocab_size) {
      throw BadTensor(fmt::format("{}: tensor '{}' has {} rows, expected {} = {}", file_.path().string(),
                                  kGgufNames.embedding, c_.vocab_size, key("vocab_size"), stated));
    }
  }

  const GgufFile& file_;
  const Architecture& architecture_;
  const TensorDirectory& tensors_;
  ModelConfig c_;
};

}  // namespace

ModelConfig read_gguf_config(const GgufFile& file, const Architecture& architecture, const TensorDirectory& tensors) {
  return GgufConfigReader(file, architecture, tensors).run();
}

}  // namespace kvwave::capture
