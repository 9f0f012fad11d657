// Whether a generated text gives the answer that a dataset states, as papers on reasoning count it: the last \\boxed{}
// or, without one, the last number.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace kvwave::capture {

/// The content of the last complete \\boxed{...} (or \\fbox{...}), braces inside it counted; else the last number of
/// the text, a fraction a/b counting as one; nothing when there is neither.
std::optional<std::string> final_answer(std::string_view text);

/// Without what does not change the value: white space, dollar signs, \\text{...} and other unit words after a number,
/// thousands separators, \\left and \\right, degree and percent signs, a full stop at the end; \\dfrac as \\frac.
std::string normal_answer(std::string_view answer);

/// Whether both are the same number (whole, decimal, a/b, \\frac{a}{b}; to a relative 1e-9) or the same text once
/// normalised.
bool same_answer(std::string_view given, std::string_view expected);

/// Share of right answers with its 95 % interval (Wilson 1927), which stays inside [0, 1] for few answers too.
struct Accuracy {
  std::size_t right = 0, total = 0;
  double share() const;
  double low() const;
  double high() const;
};

}  // namespace kvwave::capture
