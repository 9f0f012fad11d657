#include "capture/import_trace.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/attention_arrays.h"
#include "capture/decoder.h"
#include "capture/disk_check.h"
#include "capture/import_error.h"
#include "capture/imported_rows.h"
#include "capture/recorder.h"
#include "capture/recording_facts.h"
#include "capture/tokenizer.h"
#include "capture/vector_tensors.h"
#include "traces/command_line.h"
#include "traces/error.h"
#include "traces/output_file.h"
#include "traces/sha256.h"
#include "traces/writer.h"

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kMostInBlock = 64;

// A trace under a temporary name, which is removed unless it was renamed.
class WholeTrace {
 public:
  explicit WholeTrace(const fs::path& path)
      : path_(path), temporary_(path.string() + fmt::format(".tmp{}", getpid())) {}
  ~WholeTrace() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove(temporary_, ignored);
  }
  WholeTrace(const WholeTrace&) = delete;
  WholeTrace& operator=(const WholeTrace&) = delete;

  const fs::path& temporary() const { return temporary_; }
  void commit() {
    std::error_code error;
    fs::rename(temporary_, path_, error);
    if (error) {
      throw traces::OutputFailed(fmt::format("{}: cannot rename into place: {}", path_.string(), error.message()));
    }
    temporary_.clear();
  }

 private:
  fs::path path_, temporary_;
};

class Import {
 public:
  Import(const ImportSources& sources, const ImportOptions& options)
      : sources_(sources), options_(options), facts_(read_recording_facts(sources.facts)) {
    if (sources.attentions) rows_.emplace(*sources.attentions, facts_);
    if (sources.vectors) vectors_.emplace(*sources.vectors, facts_);
    if (!rows_ && !vectors_) throw BadRecording("neither attention rows nor q, k and v are given");
    count_positions();
    if (sources.model) take_model(*sources.model);
    describe();
  }

  ImportReport run(const fs::path& output) {
    const DiskCheck disk = check_disk(info_, n_positions_, traces::free_disk_bytes(output));
    if (!disk.fits) {
      throw traces::OutputFailed(fmt::format("{}: the disk cannot hold the trace: {}", output.string(), disk.message));
    }
    traces::check_output(output, options_.overwrite);
    WholeTrace file(output);
    traces::TraceWriter writer(file.temporary(), info_, {.overwrite = true});
    kernels::ThreadPool pool(options_.threads);
    Recorder recorder(info_, writer, pool.size());
    ImportedRows rows(facts_, info_, rows_ ? &*rows_ : nullptr, vectors_ ? &*vectors_ : nullptr, pool);
    ImportReport report;
    for (std::uint32_t first = 0; first < n_positions_;) {
      if (traces::InterruptGuard::interrupted()) {
        report.is_interrupted = true;
        return report;
      }
      const std::uint32_t count = recorder.block_limit(first, std::min(kMostInBlock, n_positions_ - first));
      for (std::uint32_t p = first; p < first + count; ++p) announce(recorder, p);
      rows.feed(first, count, recorder);
      first += count;
      if (options_.progress) options_.progress(first, n_positions_);
    }
    if (recorder.nan_count() > 0) {
      throw RecordingNotFinite(fmt::format("{}: {} entries of softmax(q.k / sqrt(d)) are not finite",
                                           sources_.vectors->string(), recorder.nan_count()));
    }
    writer.finish(facts_.stop_reason);
    file.commit();
    report.info = info_;
    report.n_positions = n_positions_;
    report.bytes = writer.progress().bytes;
    report.last_token_left_out = n_positions_ < facts_.ids.size();
    report.disagreement = rows.disagreement();
    return report;
  }

 private:
  void count_positions() {
    n_positions_ = rows_ ? rows_->n_rows() : vectors_->n_positions();
    if (vectors_ && vectors_->n_positions() != n_positions_) {
      throw RecordingShape(fmt::format("{}: q, k and v of {} positions, but {} has {} rows", sources_.vectors->string(),
                                       vectors_->n_positions(), sources_.attentions->string(), n_positions_));
    }
    // The token that ends a generation is chosen, but no step is spent on it.
    const std::size_t n_tokens = facts_.ids.size();
    if (n_tokens != n_positions_ && n_tokens != std::size_t{n_positions_} + 1) {
      throw RecordingShape(
          fmt::format("{}: {} token ids, expected {} (or {}, when the last one was not fed): as many "
                      "as there are rows",
                      sources_.facts.string(), n_tokens, n_positions_, n_positions_ + 1));
    }
    if (facts_.n_prompt > n_positions_) {
      throw RecordingShape(fmt::format("{}: n_prompt is {}, but there are {} rows", sources_.facts.string(),
                                       facts_.n_prompt, n_positions_));
    }
    const double usual = 1 / std::sqrt(static_cast<double>(facts_.shape.head_dim));
    if (vectors_ && facts_.scaling && std::abs(*facts_.scaling / usual - 1) > 1e-6) {
      throw BadRecording(
          fmt::format("{}: scaling of q.k is {}, expected 1 / sqrt(head_dim) = {:.9g}: a trace with q and "
                      "k cannot hold other rows; import the attention rows alone",
                      sources_.facts.string(), *facts_.scaling, usual));
    }
  }

  void take_model(const fs::path& path) {
    const Model model = Model::load(path);
    const ModelConfig& c = model.config();
    const traces::ModelShape shape{c.n_layers, c.n_q_heads, c.n_kv_heads, c.head_dim};
    if (shape != facts_.shape) {
      const auto text = [](const traces::ModelShape& s) {
        return fmt::format("{} layers, {} q_heads, {} kv_heads, head_dim {}", s.n_layers, s.n_q_heads, s.n_kv_heads,
                           s.head_dim);
      };
      throw RecordingShape(fmt::format("{}: is of a model with {}, but {} has {}", sources_.facts.string(),
                                       text(facts_.shape), path.string(), text(shape)));
    }
    const Tokenizer tokenizer(model.tokenizer_data());
    facts_.pieces.clear();
    for (const std::int32_t id : facts_.ids) {
      if (id >= static_cast<std::int32_t>(tokenizer.vocab_size())) {
        throw RecordingShape(fmt::format("{}: token id {}, but {} has a vocabulary of {}", sources_.facts.string(), id,
                                         path.string(), tokenizer.vocab_size()));
      }
      facts_.pieces.push_back(tokenizer.bytes(id));
    }
    facts_.model_name = c.name;
    facts_.architecture = c.architecture;
    facts_.model_sha256 = model.sha256();
    tokenizer_sha256_ = model.tokenizer_sha256();
    facts_.vocab_size = c.vocab_size;
    facts_.rope_theta = c.rope_theta;
    facts_.rope_scaling = c.rope_scaling;
  }

  void describe() {
    const traces::Version version = traces::program_version();
    const RecordOptions& record = options_.record;
    info_.program_version = version.version;
    info_.program_commit = version.commit;
    info_.command_line = options_.command_line;
    info_.model_name = facts_.model_name;
    info_.architecture = facts_.architecture;
    info_.model_sha256 = facts_.model_sha256;
    info_.tokenizer_sha256 = tokenizer_sha256_;
    info_.shape = facts_.shape;
    info_.vocab_size = facts_.vocab_size;
    info_.rope_theta = facts_.rope_theta;
    info_.rope_layout = facts_.rope_layout;
    info_.rope_scaling = facts_.rope_scaling;
    info_.n_prompt = facts_.n_prompt;
    info_.prompt_sha256 = ids_sha256(std::span(facts_.ids).first(facts_.n_prompt));
    info_.prompt_window = record.prompt_window;
    info_.first_row = info_.n_prompt > record.prompt_window ? info_.n_prompt - record.prompt_window : 0;
    info_.compute_dtype = to_string(facts_.type);
    info_.qkv_dtype = vectors_ ? vectors_->type() : traces::FloatType::f32;
    info_.attention_dtype = record.attention_dtype;
    info_.device = facts_.device;
    info_.attention_kernel = vectors_ ? Decoder::attention_kernel() : facts_.program;
    info_.sampling = facts_.sampling;
    info_.seed = facts_.seed;
    info_.levels = record.levels;
    info_.epsilon = record.epsilon;
    info_.rho = record.rho;
    info_.imported = provenance();
    if (info_.levels.qkv && !vectors_) {
      throw BadRecording("level qkv is asked for, but the recording has no q, k and v");
    }
  }

  std::string provenance() const {
    nlohmann::ordered_json json;
    json["program"] = facts_.program;
    std::vector<fs::path> files = {sources_.facts};
    if (rows_) {
      const std::vector<fs::path> arrays = rows_->files();
      files.insert(files.end(), arrays.begin(), arrays.end());
    }
    if (vectors_) files.push_back(*sources_.vectors);
    // One hash for a folder of very many files: the attribute has room for 64 KiB.
    constexpr std::size_t kMostListed = 150;
    if (files.size() > kMostListed) {
      traces::Sha256 all;
      for (const fs::path& file : files) all.update(traces::sha256_file(file));
      json["n_files"] = files.size();
      json["files_sha256"] = all.hex();
    } else {
      for (const fs::path& file : files) json["files"][file.filename().string()] = traces::sha256_file(file);
    }
    const bool divided = facts_.type != SourceType::f32;
    json["rows"] = vectors_  ? rows_ ? "recomputed from q and k, given ones agree" : "recomputed from q and k"
                   : divided ? "given, each divided by its sum"
                             : "given";
    if (vectors_ && rows_) json["agreement_bound"] = row_agreement_bound(facts_.type);
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }

  void announce(Recorder& recorder, std::uint32_t position) const {
    const std::uint32_t n_prompt = facts_.n_prompt;
    const bool known = position >= n_prompt && !facts_.logprobs.empty();
    recorder.announce(facts_.ids[position],
                      known ? facts_.logprobs[position - n_prompt] : std::numeric_limits<float>::quiet_NaN(),
                      facts_.pieces.empty() ? "" : facts_.pieces[position]);
  }

  const ImportSources& sources_;
  const ImportOptions& options_;
  RecordingFacts facts_;
  std::optional<AttentionArrays> rows_;
  std::optional<VectorTensors> vectors_;
  std::uint32_t n_positions_ = 0;
  std::string tokenizer_sha256_;
  traces::TraceInfo info_;
};

}  // namespace

ImportReport import_recording(const ImportSources& sources, const ImportOptions& options, const fs::path& output) {
  return Import(sources, options).run(output);
}

}  // namespace kvwave::capture
