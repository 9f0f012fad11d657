// Whether a generated text gives the answer that a dataset states, as papers on reasoning count it: the last \\boxed{}
// or, without one, the last number. It compares spellings and numbers; it does no algebra (x + 1 is not 1 + x).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kvwave::capture {

/// The content of the last complete \\boxed{...} (or \\fbox{...}), braces inside it counted; else the last number of
/// the text, a fraction a/b counting as one; nothing when there is neither. Linear in the text.
std::optional<std::string> final_answer(std::string_view text);

/// One spelling for what has several: without white space, dollar signs, \\text{...} and other unit words after a
/// number (with their power), thousands separators, \\left and \\right, degree and percent signs, a variable in front
/// ("x ="), and a full stop at the end; \\dfrac, \\frac12 and \\sqrt2 as \\frac{1}{2} and \\sqrt{2}; words in lower
/// case.
std::string normal_answer(std::string_view answer);

/// Whether both are the same number (whole, decimal, a/b, \\frac{a}{b}, 1\\frac{a}{b}; whole ones exactly, others to a
/// relative 1e-12), lists, tuples or intervals of the same brackets and such entries in the same order, or the same
/// text once normalised. 50 % is 50, not 0.5; units are not compared; (1,234) reads as a number in brackets.
bool same_answer(std::string_view given, std::string_view expected);

}  // namespace kvwave::capture
