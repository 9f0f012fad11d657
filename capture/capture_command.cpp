// `kvwave capture`: checks everything that can be checked before the model is loaded, then decodes prompt by prompt.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "capture/answer_check.h"
#include "capture/capture_options.h"
#include "capture/capture_report.h"
#include "capture/commands.h"
#include "capture/dataset.h"
#include "capture/disk_check.h"
#include "capture/error.h"
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

/// One prompt as text, and where its trace goes.
struct Job {
  std::string id;
  std::vector<ChatMessage> messages;
  std::optional<std::string> continuation, answer;
  std::uint64_t seed = 0;
  std::filesystem::path output;  ///< empty when nothing is recorded
  PromptTokens tokens;
  RunPlan plan;
};

/// The command line as one string that a shell would read back.
std::string join_arguments(std::span<const std::string> args) {
  std::string line = "kvwave capture";
  for (const std::string& arg : args) {
    const bool plain = !arg.empty() && arg.find_first_of(" \t\n\"'\\$`*?[](){}<>|&;#~!") == std::string::npos;
    line += ' ';
    if (plain) {
      line += arg;
      continue;
    }
    line += '\'';
    for (const char c : arg) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  constexpr std::size_t kLongest = 16384;  // a prompt may be long; the trace has its tokens
  if (line.size() > kLongest) line = line.substr(0, kLongest) + "...";
  return line;
}

void prepare_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::create_directory(folder, error) || std::filesystem::is_directory(folder)) return;
  throw traces::OutputFailed(fmt::format("{}: cannot be made a folder for traces: {}", folder.string(),
                                         error ? error.message() : "a file of that name exists"));
}

// "a" sampled twice writes a-s0, which may be the name of another line.
void refuse_equal_ids(const std::vector<Job>& jobs, const std::filesystem::path& dataset) {
  std::set<std::string> ids;
  for (const Job& job : jobs) {
    if (ids.insert(job.id).second) continue;
    throw BadPrompt(fmt::format("{}: two samples would write the same file {}.h5", dataset.string(), job.id));
  }
}

/// Reads all texts and checks all outputs, so that mistakes show before the model is loaded.
std::vector<Job> read_jobs(const CaptureOptions& options) {
  std::vector<Job> jobs;
  if (options.dataset) {
    for (const DatasetItem& item : read_dataset(*options.dataset, options.selection)) {
      for (std::uint32_t sample = 0; sample < options.samples; ++sample) {
        Job& job = jobs.emplace_back();
        job.id = options.samples > 1 ? fmt::format("{}-s{}", item.id, sample) : item.id;
        job.messages = item.messages;
        job.continuation = item.continuation;
        job.answer = item.answer;
        job.seed = options.decode.sampling.seed + sample;
        if (!options.no_record) job.output = options.output / (job.id + ".h5");
      }
    }
    refuse_equal_ids(jobs, *options.dataset);
    if (!options.no_record) prepare_folder(options.output);
  } else {
    Job& job = jobs.emplace_back();
    job.seed = options.decode.sampling.seed;
    job.output = options.output;
    if (!options.no_record) traces::check_output(job.output, options.force);
    job.messages = {{"user", options.prompt ? *options.prompt : read_text_file(*options.prompt_file)}};
    if (options.continue_from) job.continuation = read_text_file(*options.continue_from);
  }
  for (const Job& job : jobs) {
    if (job.messages.back().content.empty()) throw BadPrompt("the prompt is empty");
    if (job.continuation && job.continuation->empty()) throw BadPrompt("the continuation is empty");
    if (options.no_record) continue;
    traces::check_output(job.output, options.force);
    std::error_code error;
    if (std::filesystem::equivalent(job.output, options.model, error)) {
      throw traces::UsageError(fmt::format("{}: the output is the model file itself", job.output.string()));
    }
  }
  return jobs;
}

class Capture {
 public:
  Capture(const CaptureOptions& options, std::vector<Job> jobs, std::string command_line, const kernels::Device& device)
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
    for (Job& job : jobs_) tokenise(job);
    if (options_.no_record) return;
    identity_.model_sha256 = model_.sha256();
    identity_.tokenizer_sha256 = model_.tokenizer_sha256();
  }

  int run() {
    std::vector<CapturedPrompt> captured;
    bool interrupted = traces::InterruptGuard::interrupted();
    for (const Job& job : jobs_) {
      if (interrupted) break;
      CapturedPrompt& done = captured.emplace_back(CapturedPrompt{job.id, job.output, {}, std::nullopt});
      std::string output;
      done.run = run_job(job, output);
      if (job.answer && !job.continuation) {
        const auto given = final_answer(output);
        done.is_right = given && same_answer(*given, *job.answer);
      }
      interrupted = captured.back().run.stop_reason == traces::StopReason::interrupted;
      status(summary_line(captured.back()));
    }
    if (const auto accuracy = count_right(captured)) status(accuracy_line(*accuracy));
    if (options_.json) {
      fmt::print("{}\n", report_json(captured, options_.record.levels, !options_.no_record,
                                     options_.dataset.has_value(), pool_.size()));
    }
    return interrupted ? traces::kInterrupted : traces::kComplete;
  }

 private:
  void status(const std::string& line) const {
    if (!options_.quiet) fmt::print(stderr, "{}\n", line);
  }

  std::string runs_on() const {
    return identity_.device == "cpu" ? fmt::format("{} threads", pool_.size()) : identity_.device;
  }

  void tokenise(Job& job) const {
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

  /// Appends the generated text to `output`.
  RunResult run_job(const Job& job, std::string& output) {
    std::unique_ptr<traces::TraceWriter> writer;
    traces::TraceInfo info;
    status(fmt::format("{}{}: {} prompt tokens, up to {} more, {}", job.id.empty() ? "" : job.id + ": ",
                       model_.config().name, job.plan.n_prompt, job.plan.max_tokens, runs_on()));
    if (!options_.no_record) {
      DecodeOptions decode = options_.decode;
      decode.sampling.seed = job.seed;
      info = describe_trace(model_, job.tokens, decode, options_.record, identity_);
      const DiskCheck disk = check_disk(info, job.plan.positions(), traces::free_disk_bytes(job.output));
      if (!disk.fits) {
        throw traces::OutputFailed(
            fmt::format("{}: the disk cannot hold the trace: {}", job.output.string(), disk.message));
      }
      status(fmt::format("writing {}", disk.message));
      writer =
          std::make_unique<traces::TraceWriter>(job.output, info, traces::WriterOptions{.overwrite = options_.force});
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
  std::vector<Job> jobs_;
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
  std::vector<Job> jobs = read_jobs(*options);
  const traces::InterruptGuard guard;
  return Capture(*options, std::move(jobs), join_arguments(args), device).run();
}

}  // namespace kvwave::capture
