#include "replay/trace_survey.h"

#include <map>

#include <fmt/format.h>

#include "replay/error.h"
#include "replay/no_figure.h"
#include "replay/replay_trace.h"
#include "traces/reader.h"
#include "traces/repetition.h"

namespace kvwave::replay {
namespace {

double repeated_share(const traces::TraceReader& trace) {
  if (!trace.info().levels.tokens) return kNoFigure;
  const std::uint32_t first = trace.info().n_prompt, end = trace.n_positions();
  std::vector<std::int32_t> ids(end > first ? end - first : 0);
  trace.token_ids(end - static_cast<std::uint32_t>(ids.size()), end, ids);
  return traces::repeated_ngram_share(ids);
}

}  // namespace

TraceSurvey survey_trace(const std::string& path, bool with_hash) {
  const traces::TraceReader trace(path);
  TraceSurvey survey;
  survey.path = path;
  if (with_hash) survey.content_sha256 = trace.content_sha256();
  survey.model_name = trace.info().model_name;
  survey.model_sha256 = trace.info().model_sha256;
  survey.levels = trace.info().levels;
  survey.sequence = sequence_of(trace);
  survey.value_bytes = static_cast<std::uint32_t>(traces::byte_size(trace.info().qkv_dtype));
  survey.repeated_8grams = repeated_share(trace);
  return survey;
}

void refuse_duplicates(std::span<const TraceSurvey> traces) {
  std::map<std::string, std::string> path_of;
  for (const TraceSurvey& trace : traces) {
    if (trace.content_sha256.empty()) continue;
    const auto [at, first] = path_of.emplace(trace.content_sha256, trace.path);
    if (first) continue;
    throw DuplicateTrace(fmt::format("{} and {} hold the same recording (content {}): each trace counts once",
                                     at->second, trace.path, trace.content_sha256.substr(0, 12)));
  }
}

}  // namespace kvwave::replay
