#include "capture/recording_facts.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"
#include "capture/json_reader.h"
#include "capture/printable.h"
#include "traces/sha256.h"

namespace kvwave::capture {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kMost = 1U << 16;  // of layers, heads and dimensions, as the format has it
constexpr std::uint32_t kMostIds = std::numeric_limits<std::int32_t>::max();

std::string need_text(const JsonObject& object, const std::string& field) {
  const auto text = object.text(field);
  if (!text) throw BadModelFile(fmt::format("{}: field '{}' is missing, expected a string", object.where(), field));
  return *text;
}

JsonObject need_object(const JsonObject& object, const std::string& field) {
  const auto inner = object.object(field);
  if (!inner) throw BadModelFile(fmt::format("{}: field '{}' is missing, expected an object", object.where(), field));
  return *inner;
}

std::string object_text(const JsonObject& object, const std::string& field, const std::string& otherwise) {
  return object.object(field) ? object.find(field)->dump(-1, ' ', false, Json::error_handler_t::replace) : otherwise;
}

// One of the words of a table, by name.
template <class Value, std::size_t N>
Value need_word(const JsonObject& object, const std::string& field, const std::pair<const char*, Value> (&known)[N]) {
  const std::string given = need_text(object, field);
  std::string names;
  for (const auto& [name, value] : known) {
    if (given == name) return value;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  throw BadModelFile(
      fmt::format("{}: field '{}' is {}, expected one of {}", object.where(), field, printable(given), names));
}

const Json* list(const JsonObject& object, const std::string& field, std::size_t size, std::string_view what) {
  const Json* found = object.find(field);
  if (found == nullptr) return nullptr;
  if (!found->is_array()) object.wrong_type(field, "a list");
  if (found->size() != size) {
    throw BadModelFile(fmt::format("{}: field '{}' has {} entries, expected {}: one for each {} token", object.where(),
                                   field, found->size(), size, what));
  }
  return found;
}

[[noreturn]] void bad_entry(const JsonObject& object, const char* field, std::size_t i, std::string_view expected) {
  throw BadModelFile(fmt::format("{}: entry {} of '{}' should be {}", object.where(), i, field, expected));
}

void read_model(const JsonObject& model, RecordingFacts& facts) {
  facts.model_name = need_text(model, "name");
  facts.architecture = need_text(model, "architecture");
  facts.shape.n_layers = model.need_integer("n_layers", 1, kMost);
  facts.shape.n_q_heads = model.need_integer("n_q_heads", 1, kMost);
  facts.shape.n_kv_heads = model.need_integer("n_kv_heads", 1, kMost);
  facts.shape.head_dim = model.need_integer("head_dim", 1, kMost);
  if (facts.shape.n_q_heads % facts.shape.n_kv_heads != 0) {
    throw BadModelFile(fmt::format("{}: n_q_heads is {}, expected a multiple of n_kv_heads {}", model.where(),
                                   facts.shape.n_q_heads, facts.shape.n_kv_heads));
  }
  facts.type = need_word<SourceType>(
      model, "dtype", {{"float32", SourceType::f32}, {"float16", SourceType::f16}, {"bfloat16", SourceType::bf16}});
  facts.vocab_size = model.integer("vocab_size", 1, kMostIds).value_or(0);
  facts.rope_theta = model.real("rope_theta", 0, 1e30).value_or(0);
  if (model.find("rope_layout") != nullptr) {
    facts.rope_layout =
        need_word<const char*>(model, "rope_layout", {{"half", "half"}, {"interleaved", "interleaved"}});
  }
  facts.rope_scaling = object_text(model, "rope_scaling", "{}");
  facts.scaling = model.real("scaling", std::numeric_limits<double>::min(), 1e30);
  facts.model_sha256 = model.text("sha256").value_or("");
  if (facts.model_sha256.empty()) {
    const traces::ModelShape& s = facts.shape;
    facts.model_sha256 =
        traces::Sha256()
            .update(fmt::format("{}\n{}\n{} {} {} {} {}\n{:.17g} {} {}\n", facts.model_name, facts.architecture,
                                s.n_layers, s.n_q_heads, s.n_kv_heads, s.head_dim, facts.vocab_size, facts.rope_theta,
                                facts.rope_layout, facts.rope_scaling))
            .hex();
  } else if (facts.model_sha256.size() != 64 ||
             facts.model_sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw BadModelFile(fmt::format("{}: field 'sha256' should be 64 lower-case hex digits", model.where()));
  }
}

void read_tokens(const JsonObject& tokens, RecordingFacts& facts) {
  const Json* ids = tokens.find("ids");
  if (ids == nullptr || !ids->is_array() || ids->empty()) {
    throw BadModelFile(fmt::format("{}: field 'ids' should be a list of at least one token id", tokens.where()));
  }
  const std::uint32_t end = facts.vocab_size > 0 ? facts.vocab_size : kMostIds;
  for (const Json& id : *ids) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= end) {
      bad_entry(tokens, "ids", facts.ids.size(), fmt::format("a token id from 0 to {}", end - 1));
    }
    facts.ids.push_back(id.get<std::int32_t>());
  }
  // Readers of a trace expect ids below its vocabulary: where it is not stated, the least that holds them.
  if (facts.vocab_size == 0) {
    facts.vocab_size = static_cast<std::uint32_t>(*std::max_element(facts.ids.begin(), facts.ids.end())) + 1;
  }
  facts.n_prompt = tokens.need_integer("n_prompt", 1, static_cast<std::uint32_t>(facts.ids.size()));
  if (const Json* pieces = list(tokens, "pieces", facts.ids.size(), "")) {
    for (const Json& piece : *pieces) {
      if (!piece.is_string()) bad_entry(tokens, "pieces", facts.pieces.size(), "a string");
      facts.pieces.push_back(piece.get<std::string>());
    }
  }
  if (const Json* logprobs = list(tokens, "logprobs", facts.ids.size() - facts.n_prompt, "generated")) {
    for (const Json& value : *logprobs) {
      const double logprob = value.is_number() ? value.get<double>() : 1;
      constexpr double kRounding = 1e-4;  // of a log softmax in 16 bits
      if (!(logprob <= kRounding)) bad_entry(tokens, "logprobs", facts.logprobs.size(), "a finite number up to 0");
      facts.logprobs.push_back(static_cast<float>(std::min(logprob, 0.0)));
    }
  }
}

}  // namespace

RecordingFacts read_recording_facts(const std::filesystem::path& path) {
  const Json json = read_json_file(path);
  const JsonObject root(json, path.string());
  root.need_integer("kvwave_recording", 1, 1);
  RecordingFacts facts;
  facts.program = need_text(root, "program");
  read_model(need_object(root, "model"), facts);
  read_tokens(need_object(root, "tokens"), facts);
  facts.device = root.text("device").value_or("not stated");
  facts.sampling = object_text(root, "sampling", R"({"mode":"imported"})");
  if (const auto seed = root.real("seed", 0, 0x1p53)) facts.seed = static_cast<std::uint64_t>(*seed);
  if (root.find("stop_reason") != nullptr) {
    using traces::StopReason;
    facts.stop_reason = need_word<StopReason>(root, "stop_reason",
                                              {{"end_token", StopReason::end_token},
                                               {"token_limit", StopReason::token_limit},
                                               {"continuation", StopReason::continuation},
                                               {"context_full", StopReason::context_full}});
  }
  return facts;
}

double row_sum_bound(SourceType type) {
  return type == SourceType::f32 ? 2e-5 : type == SourceType::f16 ? 2e-3 : 8e-3;
}
double row_agreement_bound(SourceType type) {
  return type == SourceType::f32 ? 1e-4 : type == SourceType::f16 ? 1e-2 : 5e-2;
}
std::string_view to_string(SourceType type) {
  return type == SourceType::f32 ? "f32" : type == SourceType::f16 ? "f16" : "bf16";
}

}  // namespace kvwave::capture
