// `kvwave import`: the recording of another program becomes a trace.
#include <filesystem>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "capture/commands.h"
#include "capture/import_error.h"
#include "capture/import_trace.h"
#include "capture/option_reader.h"
#include "capture/record_options.h"
#include "traces/command_line.h"
#include "traces/error.h"
#include "traces/output_file.h"
#include "traces/progress.h"

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr std::string_view kImportUsage =
    "usage: kvwave import FOLDER -o trace.h5 [OPTIONS]\n"
    "       kvwave import --facts recording.json [--attentions PATH] [--qkv FILE] -o trace.h5 [OPTIONS]\n\n"
    "Turns what docs/attention_hook.py recorded from transformers into a trace: attention rows, or q, k and v, or "
    "both.\n"
    "FOLDER holds recording.json, attentions.npz and qkv.safetensors (one of the two may be absent).";

po::options_description import_options() {
  const auto text = [] { return po::value<std::string>(); };
  po::options_description options;
  options.add_options()                                                                                      //
      ("facts", text(), "JSON file with the model's shape and the tokens (default: FOLDER/recording.json)")  //
      ("attentions", text(), "rows: an .npz or .npy file, or a folder of .npy files")                        //
      ("qkv", text(), "safetensors file with q and k after RoPE, and v, of every layer")                     //
      ("model,m", text(), "the model recorded from: takes its hashes and the bytes of its tokens");
  add_record_options(options);
  options.add_options()                                      //
      ("threads", text(), "CPU threads; 0 = all (default)")  //
      ("output,o", text(), "trace file")                     //
      ("force,f", "replace an existing file")                //
      ("quiet,q", "no status or progress");
  return options;
}

ImportSources find_sources(const OptionReader& reader, const std::vector<std::string>& folders) {
  if (folders.size() > 1) throw traces::UsageError(fmt::format("expected one folder, got {}", folders.size()));
  ImportSources sources;
  if (!folders.empty()) {
    const fs::path folder = folders[0];
    std::error_code error;
    if (!fs::is_directory(folder, error)) {
      throw BadRecording(
          fmt::format("{}: is no folder; name single files with --facts, --attentions and --qkv", folder.string()));
    }
    sources.facts = folder / "recording.json";
    if (fs::exists(folder / "attentions.npz", error)) sources.attentions = folder / "attentions.npz";
    if (fs::exists(folder / "qkv.safetensors", error)) sources.vectors = folder / "qkv.safetensors";
  }
  if (const auto path = reader.optional_path("facts")) sources.facts = *path;
  if (const auto path = reader.optional_path("attentions")) sources.attentions = *path;
  if (const auto path = reader.optional_path("qkv")) sources.vectors = *path;
  sources.model = reader.optional_path("model");
  if (sources.facts.empty()) throw traces::UsageError("expected a folder, or --facts");
  if (!sources.attentions && !sources.vectors) {
    if (folders.empty()) throw traces::UsageError("expected --attentions, --qkv or both");
    throw MissingArray(fmt::format("{}: holds neither attentions.npz nor qkv.safetensors", folders[0]));
  }
  return sources;
}

void refuse_replacing_a_source(const ImportSources& sources, const fs::path& output) {
  for (const auto& source : {std::optional(sources.facts), sources.attentions, sources.vectors, sources.model}) {
    std::error_code error;
    if (source && fs::equivalent(*source, output, error)) {
      throw traces::UsageError(fmt::format("{}: the output is one of the files to import", output.string()));
    }
  }
}

}  // namespace

int import_command(std::span<const std::string> args) {
  const auto values = traces::parse_options(kImportUsage, import_options(), "folder", args);
  if (!values) return traces::kComplete;
  const OptionReader reader(*values);
  const auto output = reader.optional_path("output");
  if (!output) throw traces::UsageError("option -o/--output is required");
  const ImportSources sources =
      find_sources(reader, values->contains("folder") ? (*values)["folder"].as<std::vector<std::string>>()
                                                      : std::vector<std::string>());
  ImportOptions options;
  options.record = read_record_options(reader);
  if (!sources.vectors && !reader.has("levels")) options.record.levels.qkv = false;
  options.overwrite = reader.has("force");
  reader.integer("threads", 0, 1024, options.threads);
  options.command_line = traces::join_arguments("kvwave import", args);
  traces::check_output(*output, options.overwrite);
  refuse_replacing_a_source(sources, *output);

  const bool quiet = reader.has("quiet");
  const traces::InterruptGuard guard;
  std::optional<traces::ProgressBar> bar;
  options.progress = [&](std::uint32_t done, std::uint32_t all) {
    if (!bar) bar.emplace("importing", all, !quiet && isatty(STDERR_FILENO) != 0);
    bar->update(done, "");
  };
  const ImportReport report = import_recording(sources, options, *output);
  bar.reset();
  if (report.is_interrupted) return traces::kInterrupted;
  if (quiet) return traces::kComplete;
  if (report.last_token_left_out) {
    fmt::print(stderr, "the last token was chosen but never fed: it has no row and is left out\n");
  }
  if (report.disagreement) {
    fmt::print(stderr, "rows recomputed from q and k; given ones differ by at most {:.2g}\n", *report.disagreement);
  }
  fmt::print(stderr, "{}: {} positions, {} of the prompt, levels {}; {}\n", output->string(), report.n_positions,
             report.info.n_prompt, report.info.levels.to_string(), traces::human_bytes(report.bytes));
  return traces::kComplete;
}

}  // namespace kvwave::capture
