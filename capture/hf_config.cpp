#include "capture/hf_config.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/config_limits.h"
#include "capture/error.h"
#include "capture/model_parts.h"
#include "capture/printable.h"
#include "capture/rope_scaling.h"

namespace kvwave::capture {
namespace {

class HfConfigReader {
 public:
  HfConfigReader(const JsonObject& json, const Architecture& architecture, const TensorDirectory& tensors)
      : json_(json), architecture_(architecture), tensors_(tensors) {}

  ModelConfig run() {
    c_.architecture = architecture_.name;
    refuse_other_computations();
    c_.n_layers = json_.need_integer("num_hidden_layers", 1, kMostLayers);
    c_.hidden = json_.need_integer("hidden_size", 1, kWidest);
    c_.ffn = json_.need_integer("intermediate_size", 1, kWidest);
    c_.context_length = json_.need_integer("max_position_embeddings", 1, kLongestContext);
    c_.rms_epsilon = static_cast<float>(json_.need_real("rms_norm_eps", kLeastEpsilon, kLargestEpsilon));
    c_.tied_output = json_.boolean("tie_word_embeddings").value_or(false);
    read_heads();
    read_rope();
    refuse_window();
    read_vocab_size();
    return std::move(c_);
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    throw BadModelFile(fmt::format("{}: {}", json_.where(), what));
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    throw UnsupportedModel(fmt::format("{}: {}", json_.where(), what));
  }

  void refuse_other_computations() const {
    const std::string activation = json_.text("hidden_act").value_or("silu");
    if (activation != "silu") unsupported(fmt::format("activation {}; known is silu", printable(activation)));
    if (json_.find("quantization_config") != nullptr) {
      unsupported("quantised parameters (quantization_config); known are F32, F16 and BF16, and GGUF files");
    }
    if (json_.real("partial_rotary_factor", 0, 1).value_or(1) != 1) unsupported("a partial_rotary_factor");
  }

  void read_heads() {
    c_.n_q_heads = json_.need_integer("num_attention_heads", 1, kMostHeads);
    c_.n_kv_heads = json_.integer("num_key_value_heads", 1, kMostHeads).value_or(c_.n_q_heads);
    if (c_.n_q_heads % c_.n_kv_heads != 0) {
      bad(fmt::format("{} query heads are not a multiple of {} KV heads", c_.n_q_heads, c_.n_kv_heads));
    }
    const auto head_dim = json_.integer("head_dim", 1, kWidestHead);
    if (!head_dim && c_.hidden % c_.n_q_heads != 0) {
      bad(fmt::format("hidden_size {} is not a multiple of {} query heads", c_.hidden, c_.n_q_heads));
    }
    c_.head_dim = head_dim.value_or(c_.hidden / c_.n_q_heads);
    if (c_.head_dim % 2 != 0) bad(fmt::format("head dimension {} is odd, rotary positions need pairs", c_.head_dim));
    if (c_.head_dim > kWidestHead) bad(fmt::format("head dimension {}, expected at most {}", c_.head_dim, kWidestHead));
  }

  void read_rope() {
    c_.rope_layout = RopeLayout::half;
    const auto parameters = json_.object("rope_parameters");
    const auto scaling = parameters ? parameters : json_.object("rope_scaling");
    const auto own_theta = json_.real("rope_theta", 1, kLargestTheta);
    const auto theta = parameters ? parameters->real("rope_theta", 1, kLargestTheta) : std::nullopt;
    c_.rope_theta = theta.value_or(own_theta.value_or(10000.0));
    if (scaling) apply_scaling(*scaling);
  }

  void apply_scaling(const JsonObject& s) {
    const std::string type = s.text("rope_type").value_or(s.text("type").value_or("default"));
    if (s.real("partial_rotary_factor", 0, 1).value_or(1) != 1) unsupported("a partial_rotary_factor");
    if (type == "default") return;
    if (type == "linear") return apply(linear_scaling(c_.head_dim, s.need_real("factor", 1e-6, kLargestScale)), c_);
    if (type == "llama3") return apply(llama3(s), c_);
    if (type == "yarn") return apply(yarn(s), c_);
    unsupported(fmt::format("rope scaling type {}; known types are default, linear, llama3 and yarn", printable(type)));
  }

  RopeScaling llama3(const JsonObject& s) const {
    Llama3Scaling llama3;
    llama3.factor = s.need_real("factor", 1e-6, kLargestScale);
    llama3.low_factor = s.need_real("low_freq_factor", 1e-6, kLargestScale);
    llama3.high_factor = s.need_real("high_freq_factor", 1e-6, kLargestScale);
    llama3.original_context = s.need_integer("original_max_position_embeddings", 1, kLongestContext);
    if (llama3.high_factor <= llama3.low_factor) {
      bad(fmt::format("high_freq_factor {} is not above low_freq_factor {}", llama3.high_factor, llama3.low_factor));
    }
    return llama3_scaling(c_.head_dim, c_.rope_theta, llama3);
  }

  RopeScaling yarn(const JsonObject& s) {
    if (c_.rope_theta <= 1) bad("yarn needs a rope base above 1");
    YarnScaling yarn;
    yarn.original_context =
        s.integer("original_max_position_embeddings", 1, kLongestContext).value_or(c_.context_length);
    yarn.factor =
        s.real("factor", 1e-6, kLargestScale).value_or(static_cast<double>(c_.context_length) / yarn.original_context);
    yarn.beta_fast = s.real("beta_fast", 1e-6, kLargestScale).value_or(yarn.beta_fast);
    yarn.beta_slow = s.real("beta_slow", 1e-6, kLargestScale).value_or(yarn.beta_slow);
    yarn.truncate = s.boolean("truncate").value_or(true);
    yarn.attention_factor = s.real("attention_factor", 1e-6, kLargestScale);
    const double scale = s.real("mscale", 0, kLargestScale).value_or(0);
    const double scale_all = s.real("mscale_all_dim", 0, kLargestScale).value_or(0);
    if (!yarn.attention_factor && scale != 0 && scale_all != 0) {
      const auto grown = [&](double by) { return yarn.factor > 1 ? 0.1 * by * std::log(yarn.factor) + 1 : 1.0; };
      yarn.attention_factor = grown(scale) / grown(scale_all);
    }
    const double reach = std::min(yarn.original_context * yarn.factor, static_cast<double>(kLongestContext));
    c_.context_length = std::max(c_.context_length, static_cast<std::uint32_t>(reach));
    return yarn_scaling(c_.head_dim, c_.rope_theta, yarn);
  }

  void refuse_window() const {
    const WindowRule& rule = architecture_.window;
    // null says that there is none; a file that says nothing means its architecture's usual window.
    const std::uint32_t unstated = json_.states("sliding_window") ? 0 : rule.when_unstated;
    std::uint32_t window = json_.integer("sliding_window", 0, kLongestContext).value_or(unstated);
    if (rule.needs_switch && !json_.boolean("use_sliding_window").value_or(false)) window = 0;
    if (window != 0 && window < c_.context_length) {
      unsupported(fmt::format("sliding-window attention over {} of {} positions; kvwave decodes full attention only",
                              window, c_.context_length));
    }
    const nlohmann::json* kinds = json_.find("layer_types");
    if (kinds == nullptr) return;
    if (!kinds->is_array()) json_.wrong_type("layer_types", "an array");
    for (const nlohmann::json& kind : *kinds) {
      const std::string name = kind.is_string() ? kind.get<std::string>() : std::string();
      if (name == "full_attention" || (name == "sliding_attention" && window != 0)) continue;
      unsupported(fmt::format("a layer of type {}; known is 'full_attention'", printable(name)));
    }
  }

  // The embedding decides the vocabulary's size; a number that says otherwise is a contradiction.
  void read_vocab_size() {
    c_.vocab_size = embedding_rows(tensors_, kHuggingFaceNames);
    const auto stated = json_.integer("vocab_size", 1, 1U << 24).value_or(c_.vocab_size);
    if (stated != c_.vocab_size) {
      throw BadTensor(fmt::format("{}: tensor '{}' has {} rows, expected vocab_size = {}", tensors_.source(),
                                  kHuggingFaceNames.embedding, c_.vocab_size, stated));
    }
  }

  const JsonObject& json_;
  const Architecture& architecture_;
  const TensorDirectory& tensors_;
  ModelConfig c_;
};

}  // namespace

const Architecture& read_hf_architecture(const JsonObject& config) {
  const auto type = config.text("model_type");
  if (!type) throw BadModelFile(fmt::format("{}: field 'model_type' is missing", config.where()));
  return find_architecture(*type, config.where());
}

ModelConfig read_hf_config(const JsonObject& config, const Architecture& architecture, const TensorDirectory& tensors) {
  return HfConfigReader(config, architecture, tensors).run();
}

}  // namespace kvwave::capture
