#include "capture/capture_jobs.h"

#include <set>
#include <system_error>

#include <fmt/format.h>

#include "capture/dataset.h"
#include "capture/error.h"
#include "capture/manifest.h"
#include "capture/prompt_text.h"
#include "traces/command_line.h"
#include "traces/error.h"
#include "traces/output_file.h"

namespace kvwave::capture {
namespace {

void prepare_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::create_directory(folder, error) || std::filesystem::is_directory(folder)) return;
  throw traces::OutputFailed(fmt::format("{}: cannot be made a folder for traces: {}", folder.string(),
                                         error ? error.message() : "a file of that name exists"));
}

// "a" sampled twice writes a-s0, which may be the name of another line.
void refuse_equal_ids(const std::vector<CaptureJob>& jobs, const std::filesystem::path& dataset) {
  std::set<std::string> ids;
  for (const CaptureJob& job : jobs) {
    if (ids.insert(job.id).second) continue;
    throw BadPrompt(fmt::format("{}: two samples would write the same file {}.h5", dataset.string(), job.id));
  }
}

std::vector<CaptureJob> jobs_of_dataset(const CaptureOptions& options) {
  std::vector<CaptureJob> jobs;
  for (const DatasetItem& item : read_dataset(*options.dataset, options.selection)) {
    for (std::uint32_t sample = 0; sample < options.samples; ++sample) {
      CaptureJob& job = jobs.emplace_back();
      job.id = options.samples > 1 ? fmt::format("{}-s{}", item.id, sample) : item.id;
      job.problem = item.id;
      job.line = item.line;
      job.sample = sample;
      job.messages = item.messages;
      job.continuation = item.continuation;
      job.answer = item.answer;
      job.seed = options.decode.sampling.seed + sample;
      if (!options.no_record) job.output = options.output / (job.id + ".h5");
    }
  }
  refuse_equal_ids(jobs, *options.dataset);
  return jobs;
}

CaptureJob single_job(const CaptureOptions& options) {
  CaptureJob job;
  job.seed = options.decode.sampling.seed;
  job.output = options.output;
  if (!options.no_record) traces::check_output(job.output, options.force);
  job.messages = {{"user", options.prompt ? *options.prompt : read_text_file(*options.prompt_file)}};
  if (options.continue_from) job.continuation = read_text_file(*options.continue_from);
  return job;
}

}  // namespace

std::vector<CaptureJob> read_jobs(const CaptureOptions& options) {
  std::vector<CaptureJob> jobs;
  if (options.dataset) {
    jobs = jobs_of_dataset(options);
    if (!options.no_record) {
      prepare_folder(options.output);
      traces::check_output(options.output / kManifestName, options.force || options.resume);
    }
  } else {
    jobs.push_back(single_job(options));
  }
  for (const CaptureJob& job : jobs) {
    if (job.messages.back().content.empty()) throw BadPrompt("the prompt is empty");
    if (job.continuation && job.continuation->empty()) throw BadPrompt("the continuation is empty");
    if (options.no_record) continue;
    traces::check_output(job.output, options.force || options.resume);
    std::error_code error;
    if (std::filesystem::equivalent(job.output, options.model, error)) {
      throw traces::UsageError(fmt::format("{}: the output is the model file itself", job.output.string()));
    }
  }
  return jobs;
}

}  // namespace kvwave::capture
