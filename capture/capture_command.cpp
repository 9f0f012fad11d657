// `kvwave capture`: checks everything that can be checked before the model is loaded, then decodes prompt by prompt.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "capture/available_memory.h"
#include "capture/capture_jobs.h"
#include "capture/capture_options.h"
#include "capture/capture_report.h"
#include "capture/commands.h"
#include "capture/dataset_run.h"
#include "capture/disk_check.h"
#include "capture/error.h"
#include "capture/host_memory.h"
#include "capture/prompt_text.h"
#include "capture/session.h"
#include "capture/trace_description.h"
#include "kernels/device.h"
#include "traces/command_line.h"
#include "traces/error.h"
#include "traces/output_file.h"
#include "traces/progress.h"
#include "traces/writer.h"

namespace kvwave::capture {
namespace {

class Capture {
 public:
  Capture(const CaptureOptions& options, std::vector<CaptureJob> jobs, std::string command_line,
          const kernels::Device& device)
      : options_(options),
        jobs_(std::move(jobs)),
        model_(Model::load(options.model, FileMemory::copied)),
        tokenizer_(model_.tokenizer_data()),
        pool_(options.threads),
        session_(model_, tokenizer_, pool_, options.decode, device) {
    identity_.command_line = std::move(command_line);
    identity_.prompt_form = options.form.name();
    identity_.thinking = options.form.thinking;
    identity_.device = session_.decoder().device_name();
    identity_.attention_kernel = session_.decoder().attention_kernel();
    for (CaptureJob& job : jobs_) tokenise(job);
    if (!device.is_cuda()) check_memory();
    if (options_.no_record) return;
    identity_.model_sha256 = model_.sha256();
    identity_.tokenizer_sha256 = model_.tokenizer_sha256();
  }

  int run() {
    std::vector<CapturedPrompt> captured;
    std::optional<DatasetRun> dataset;
    if (options_.dataset) dataset.emplace(options_, jobs_, describe(), text_of());
    if (dataset && dataset->n_kept() > 0) status(fmt::format("{} finished traces are kept", dataset->n_kept()));
    bool interrupted = traces::InterruptGuard::interrupted();
    for (std::size_t i = 0; i < jobs_.size() && !interrupted; ++i) {
      if (dataset && dataset->is_finished(i)) continue;
      const CaptureJob& job = jobs_[i];
      CapturedPrompt& done = captured.emplace_back(CapturedPrompt{job.id, job.output, {}, std::nullopt});
      std::string output;
      done.run = run_job(job, output);
      if (dataset) {
        dataset->add(i, done.run, output);
        done.is_right = dataset->entry(i).is_right;
      }
      interrupted = done.run.stop_reason == traces::StopReason::interrupted;
      status(summary_line(done));
    }
    ReportContext context{
        options_.record.levels, !options_.no_record, options_.dataset.has_value(), pool_.size(), 0, {}};
    if (dataset) {
      context.n_kept = dataset->n_kept();
      context.pass_rate = dataset->pass_rate();
      if (context.pass_rate.n_problems() > 0) status(accuracy_line(context.pass_rate));
    }
    if (options_.json) fmt::print("{}\n", report_json(captured, context));
    return interrupted ? traces::kInterrupted : traces::kComplete;
  }

 private:
  void status(const std::string& line) const {
    if (!options_.quiet) fmt::print(stderr, "{}\n", line);
  }

  void check_memory() const {
    std::uint32_t longest = 0;
    for (const CaptureJob& job : jobs_) longest = std::max(longest, job.plan.positions());
    const HostMemory memory =
        predict_host_memory(model_, options_.decode.cache_type, longest, pool_.size(), !options_.no_record);
    const std::string warning = check_host_memory(memory, model_.is_copy(), available_memory());
    if (!warning.empty()) status(warning);
  }

  std::string runs_on() const {
    return identity_.device == "cpu" ? fmt::format("{} threads", pool_.size()) : identity_.device;
  }

  void tokenise(CaptureJob& job) const {
    try {
      job.tokens.ids = encode_prompt(tokenizer_, model_.tokenizer_data(), job.messages, options_.form);
      if (job.continuation) job.tokens.continuation = encode_continuation(tokenizer_, *job.continuation);
      job.plan = plan_run(job.tokens, options_.decode, model_.config().context_length);
      job.plan.seed = job.seed;
    } catch (const ContextTooLong& error) {
      if (!options_.dataset) throw;
      throw ContextTooLong(fmt::format("prompt {}: {}", job.id, error.what()));
    }
  }

  traces::TraceInfo describe_job(const CaptureJob& job) const {
    DecodeOptions decode = options_.decode;
    decode.sampling.seed = job.seed;
    return describe_trace(model_, job.tokens, decode, options_.record, identity_);
  }
  DatasetRun::Describe describe() const {
    return [this](const CaptureJob& job) { return describe_job(job); };
  }
  /// As run_job() collects it: control tokens are left out.
  DatasetRun::TextOf text_of() const {
    return [this](std::span<const std::int32_t> ids) {
      std::string text;
      for (const std::int32_t id : ids) {
        if (id < 0 || id >= static_cast<std::int32_t>(tokenizer_.vocab_size())) continue;
        if (!tokenizer_.is_control(id)) text += tokenizer_.bytes(id);
      }
      return text;
    };
  }

  /// Appends the generated text to `output`.
  RunResult run_job(const CaptureJob& job, std::string& output) {
    std::unique_ptr<traces::TraceWriter> writer;
    traces::TraceInfo info;
    status(fmt::format("{}{}: {} prompt tokens, up to {} more, {}", job.id.empty() ? "" : job.id + ": ",
                       model_.config().name, job.plan.n_prompt, job.plan.max_tokens, runs_on()));
    if (!options_.no_record) {
      info = describe_job(job);
      const DiskCheck disk = check_disk(info, job.plan.positions(), traces::free_disk_bytes(job.output));
      if (!disk.fits) {
        throw traces::OutputFailed(
            fmt::format("{}: the disk cannot hold the trace: {}", job.output.string(), disk.message));
      }
      status(fmt::format("writing {}", disk.message));
      writer = std::make_unique<traces::TraceWriter>(
          job.output, info, traces::WriterOptions{.overwrite = options_.force || options_.resume});
    }

    const bool shows_text = !options_.quiet && !options_.json;
    // The bar and the text would overwrite each other on one terminal.
    const bool shows_bar = !options_.quiet && isatty(STDERR_FILENO) != 0 && !(shows_text && isatty(STDOUT_FILENO) != 0);
    traces::ProgressBar bar("decoding", job.plan.max_tokens, shows_bar);
    Utf8Stream characters;
    const auto print = [](const std::string& text) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    };
    RunEvents events;
    events.text = [&](std::string_view bytes) {
      output += bytes;
      if (shows_text) print(characters.push(bytes));
    };
    const auto show_progress = [&](std::uint32_t tokens, double seconds) {
      const double rate = seconds > 0 ? tokens / seconds : 0.0;
      bar.update(tokens, writer ? fmt::format("{:.1f} tok/s, {}", rate, traces::human_bytes(writer->progress().bytes))
                                : fmt::format("{:.1f} tok/s", rate));
    };
    if (shows_bar) events.progress = show_progress;
    const RunResult result = session_.run(job.tokens, job.plan, events, &info, writer.get());
    if (shows_text) print(characters.flush() + "\n");
    return result;
  }

  const CaptureOptions& options_;
  std::vector<CaptureJob> jobs_;
  Model model_;
  Tokenizer tokenizer_;
  kernels::ThreadPool pool_;
  Session session_;
  RunIdentity identity_;
};

}  // namespace

int capture_command(std::span<const std::string> args) {
  const std::optional<CaptureOptions> options = parse_capture_options(args);
  if (!options) return traces::kComplete;
  const bool asks_driver = options->device.kind != kernels::DeviceChoice::Kind::cpu;
  const kernels::Device device =
      kernels::choose_device(options->device, asks_driver ? kernels::list_devices() : kernels::DeviceList{});
  std::vector<CaptureJob> jobs = read_jobs(*options);
  const traces::InterruptGuard guard;
  return Capture(*options, std::move(jobs), traces::join_arguments("kvwave capture", args), device).run();
}

}  // namespace kvwave::capture
