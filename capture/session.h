// One prompt from its tokens to the end: prefill, then steps. Every generated token is fed back, the last one too, so n
// generated tokens give n decode steps and n rows after the prompt's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "capture/decoder.h"
#include "capture/model.h"
#include "capture/sampler.h"
#include "capture/sequence_decoder.h"
#include "capture/tokenizer.h"
#include "kernels/device.h"
#include "kernels/thread_pool.h"
#include "traces/schema.h"
#include "traces/writer.h"

namespace kvwave::capture {

inline constexpr std::uint32_t kDefaultTokens = 512;

struct DecodeOptions {
  std::optional<std::uint32_t> max_tokens;  ///< tokens to generate, at least 1; empty = kDefaultTokens, or what fits
  SamplingOptions sampling;
  bool ignore_eos = false;
  CacheType cache_type = CacheType::f16;
};

/// What is fed: the prompt, and the tokens to force after it when there is a continuation.
struct PromptTokens {
  std::vector<std::int32_t> ids;
  std::optional<std::vector<std::int32_t>> continuation;
};

/// How long a run will be at most, and what ends it then.
struct RunPlan {
  std::uint32_t n_prompt = 0, max_tokens = 0;
  traces::StopReason limit = traces::StopReason::token_limit;  ///< token_limit, continuation or context_full
  std::optional<std::uint64_t> seed = std::nullopt;            ///< of sampling, in place of the session's
  std::uint32_t positions() const { return n_prompt + max_tokens; }
};

/// Throws BadPrompt when the prompt or the continuation holds no token, ContextTooLong when prompt plus the tokens that
/// were asked for exceed the model's context; says all numbers.
RunPlan plan_run(const PromptTokens& prompt, const DecodeOptions& options, std::uint32_t context_length);

/// Called on the decoding thread; any may be empty.
struct RunEvents {
  std::function<void(std::string_view bytes)> text;  ///< raw bytes of each generated token, control tokens left out
  std::function<void(std::uint32_t tokens, double decode_seconds)> progress;
};

struct RunResult {
  std::uint32_t n_prompt = 0, n_tokens = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;      ///< from the first choice of a token to the end of the last step
  double write_out_seconds = 0;   ///< what the writer still had to write then
  double decode_cpu_seconds = 0;  ///< of all threads of the process, decoding and writing out
  std::uint64_t nan_count = 0;
  traces::WriterProgress written;  ///< all 0 without a writer
  traces::StopReason stop_reason = traces::StopReason::running;
};

class Session {
 public:
  /// All must outlive the session. The KV cache's memory is kept between runs.
  Session(const Model& model, const Tokenizer& tokenizer, kernels::ThreadPool& pool, const DecodeOptions& options,
          const kernels::Device& device = {});

  /// Runs one prompt. With a writer (opened with `info`), every position is recorded and the trace is finished: also
  /// when the user interrupts (stop_reason interrupted) and, as `failed`, when decoding throws. Errors are rethrown.
  RunResult run(const PromptTokens& prompt, const RunPlan& plan, const RunEvents& events,
                const traces::TraceInfo* info = nullptr, traces::TraceWriter* writer = nullptr);

  const SequenceDecoder& decoder() const { return *decoder_; }

 private:
  class Run;
  const Tokenizer& tokenizer_;
  kernels::ThreadPool& pool_;
  DecodeOptions options_;
  std::unique_ptr<SequenceDecoder> decoder_;
};

}  // namespace kvwave::capture
