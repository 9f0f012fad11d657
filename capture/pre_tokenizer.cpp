#include "capture/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pcre2.h>

#include "capture/error.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

constexpr const char* kDigit = R"(\p{N})";
constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
    R"(\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
    R"(\s+(?!\S)|\s+)";

/// A family: each pass cuts the pieces of the pass before at its matches; what lies between matches stays a piece.
struct Family {
  std::string_view name;
  std::array<const char*, 2> passes;  // nullptr: none
  bool whole_words_first = false;
};
constexpr std::array kFamilies = {
    Family{"gpt-2", {kGpt2, nullptr}},
    Family{"smollm", {kDigit, kGpt2}},
    Family{"llama-bpe", {kLlama3, nullptr}, true},
    Family{"llama3", {kLlama3, nullptr}, true},
    Family{"llama-v3", {kLlama3, nullptr}, true},
    Family{"qwen2", {kQwen2, nullptr}},
    Family{"deepseek-r1-qwen", {kQwen2, nullptr}},
};

const Family& find_family(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Family& family : kFamilies) {
    if (family.name == name) return family;
    names.push_back(family.name);
  }
  throw UnsupportedModel(
      fmt::format("pre-tokenizer {} is not known; known ones are {}", printable(name), fmt::join(names, ", ")));
}

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};

}  // namespace

std::optional<std::string_view> pre_tokenizer_of_pattern(std::string_view pattern) {
  for (const Family& family : kFamilies) {
    if (family.passes[1] == nullptr && family.passes[0] == pattern) return family.name;
  }
  return std::nullopt;
}

bool takes_whole_words(std::string_view name) {
  return std::any_of(kFamilies.begin(), kFamilies.end(),
                     [name](const Family& family) { return family.name == name && family.whole_words_first; });
}

class PreTokenizer::Pattern {
 public:
  explicit Pattern(const char* text) {
    int error = 0;
    std::size_t at = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error,
                              &at, nullptr));
    if (!code_) throw Error(fmt::format("internal pattern: PCRE2 error {} at {}", error, at));
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // where it fails the interpreter gives the same matches
  }

  void cut(std::string_view text, std::vector<std::string_view>& out) const {
    const std::unique_ptr<pcre2_match_data, FreeMatch> match(
        pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    const std::size_t* bounds = pcre2_get_ovector_pointer(match.get());
    std::size_t done = 0;
    while (done < text.size() && find(text, done, match.get())) {
      if (bounds[0] > done) out.push_back(text.substr(done, bounds[0] - done));
      out.push_back(text.substr(bounds[0], bounds[1] - bounds[0]));
      done = bounds[1];
    }
    if (done < text.size()) out.push_back(text.substr(done));
  }

 private:
  // The text was validated before: PCRE2 need not do it again at each match.
  bool find(std::string_view text, std::size_t from, pcre2_match_data* match) const {
    const auto run = [&](std::uint32_t options) {
      return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                         PCRE2_NO_UTF_CHECK | options, match, nullptr);
    };
    int found = run(0);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = run(PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0) throw BadPrompt(fmt::format("the text cannot be split into words: PCRE2 error {}", found));
    return true;
  }

  std::unique_ptr<pcre2_code, FreeCode> code_;
};

PreTokenizer::PreTokenizer(std::string_view name) {
  const Family& family = find_family(name);
  for (const char* pass : family.passes) {
    if (pass != nullptr) passes_.emplace_back(pass);
  }
}
PreTokenizer::~PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  std::vector<std::string_view> pieces;
  if (!text.empty()) pieces.push_back(text);
  for (const Pattern& pass : passes_) {
    std::vector<std::string_view> cut;
    for (const std::string_view piece : pieces) pass.cut(piece, cut);
    pieces = std::move(cut);
  }
  return pieces;
}

}  // namespace kvwave::capture
