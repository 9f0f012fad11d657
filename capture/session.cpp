#include "capture/session.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <sys/resource.h>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/recorder.h"
#include "traces/command_line.h"

namespace kvwave::capture {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

SamplingOptions with_seed(SamplingOptions options, const std::optional<std::uint64_t>& seed) {
  options.seed = seed.value_or(options.seed);
  return options;
}

double process_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

RunPlan plan_run(const PromptTokens& prompt, const DecodeOptions& options, std::uint32_t context_length) {
  if (prompt.ids.empty()) throw BadPrompt("the prompt holds no token");
  if (prompt.continuation && prompt.continuation->empty()) throw BadPrompt("the continuation holds no token");
  const std::size_t n_prompt = prompt.ids.size();
  std::size_t wanted = options.max_tokens.value_or(kDefaultTokens);
  auto limit = traces::StopReason::token_limit;
  if (prompt.continuation && (!options.max_tokens || wanted >= prompt.continuation->size())) {
    wanted = prompt.continuation->size();
    limit = traces::StopReason::continuation;
  }
  if (!options.max_tokens && !prompt.continuation && n_prompt < context_length && n_prompt + wanted > context_length) {
    wanted = context_length - n_prompt;  // nobody asked for a number: as many as fit
    limit = traces::StopReason::context_full;
  }
  if (n_prompt + wanted > context_length) {
    throw ContextTooLong(
        fmt::format("{} prompt tokens and {} {} tokens make {} positions, but the model's context is {}", n_prompt,
                    wanted, prompt.continuation ? "continuation" : "generated", n_prompt + wanted, context_length));
  }
  return {static_cast<std::uint32_t>(n_prompt), static_cast<std::uint32_t>(wanted), limit, std::nullopt};
}

/// The state of one run.
class Session::Run {
 public:
  Run(Session& session, const PromptTokens& prompt, const RunPlan& plan, const RunEvents& events,
      const traces::TraceInfo* info, traces::TraceWriter* writer)
      : session_(session),
        prompt_(prompt),
        plan_(plan),
        events_(events),
        sampler_(with_seed(session.options_.sampling, plan.seed),
                 session.options_.ignore_eos ? session.tokenizer_.end_ids() : std::span<const std::int32_t>{}) {
    if (writer != nullptr) recorder_ = std::make_unique<Recorder>(*info, *writer, session.pool_.size());
    result_.n_prompt = plan.n_prompt;
  }

  void prefill() {
    const Clock::time_point start = Clock::now();
    session_.decoder_->begin(plan_.positions(), recorder_.get());
    const std::span<const std::int32_t> ids(prompt_.ids);
    for (std::size_t first = 0; first < ids.size() && !interrupted();) {
      const std::uint32_t count = session_.decoder_->block_limit(static_cast<std::uint32_t>(first),
                                                                 static_cast<std::uint32_t>(ids.size() - first));
      for (const std::int32_t id : ids.subspan(first, count)) {
        announce(id, std::numeric_limits<float>::quiet_NaN());
        sampler_.observe(id);
      }
      logits_ = session_.decoder_->feed(ids.subspan(first, count));
      first += count;
    }
    result_.prefill_seconds = seconds_since(start);
  }

  void decode() {
    const Clock::time_point start = Clock::now();
    result_.stop_reason = plan_.limit;
    for (std::uint32_t step = 0; step < plan_.max_tokens; ++step) {
      if (interrupted()) {
        result_.stop_reason = traces::StopReason::interrupted;
        break;
      }
      const std::int32_t id = prompt_.continuation ? (*prompt_.continuation)[step] : sampler_.choose(logits_, step);
      if (id < 0) throw Error("every token of the vocabulary is an end token: nothing to choose from");
      if (recorder_) announce(id, static_cast<float>(log_probability(logits_, id)));
      sampler_.observe(id);
      logits_ = session_.decoder_->feed({&id, 1});
      ++result_.n_tokens;
      if (events_.text && !session_.tokenizer_.is_control(id)) events_.text(session_.tokenizer_.bytes(id));
      if (events_.progress) events_.progress(result_.n_tokens, seconds_since(start));
      if (!prompt_.continuation && !session_.options_.ignore_eos && session_.tokenizer_.is_end(id)) {
        result_.stop_reason = traces::StopReason::end_token;
        break;
      }
    }
    session_.decoder_->finish();
    result_.decode_seconds = seconds_since(start);
  }

  RunResult& result() {
    if (recorder_) result_.nan_count = recorder_->nan_count();
    return result_;
  }

 private:
  static bool interrupted() { return traces::InterruptGuard::interrupted(); }

  void announce(std::int32_t id, float logprob) {
    if (recorder_) recorder_->announce(id, logprob, session_.tokenizer_.bytes(id));
  }

  Session& session_;
  const PromptTokens& prompt_;
  const RunPlan& plan_;
  const RunEvents& events_;
  Sampler sampler_;
  std::unique_ptr<Recorder> recorder_;
  std::span<const float> logits_;
  RunResult result_;
};

Session::Session(const Model& model, const Tokenizer& tokenizer, kernels::ThreadPool& pool,
                 const DecodeOptions& options, const kernels::Device& device)
    : tokenizer_(tokenizer),
      pool_(pool),
      options_(options),
      decoder_(make_sequence_decoder(model, options.cache_type, pool, device)) {}

RunResult Session::run(const PromptTokens& prompt, const RunPlan& plan, const RunEvents& events,
                       const traces::TraceInfo* info, traces::TraceWriter* writer) {
  Run run(*this, prompt, plan, events, info, writer);
  double cpu_start = 0;
  try {
    run.prefill();
    cpu_start = process_cpu_seconds();
    run.decode();
  } catch (const NumericFailure&) {
    if (writer != nullptr) writer->finish(traces::StopReason::failed);
    throw;
  }
  RunResult& result = run.result();
  if (writer != nullptr) {
    const Clock::time_point start = Clock::now();
    writer->finish(result.stop_reason);
    result.write_out_seconds = seconds_since(start);
    result.written = writer->progress();
  }
  result.decode_cpu_seconds = process_cpu_seconds() - cpu_start;
  return result;
}

}  // namespace kvwave::capture
