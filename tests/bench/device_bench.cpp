// device_bench bandwidth | decode MODEL | memory MODEL: what ./run gpu-check measures in one process, as JSON on
// stdout.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "capture/device_memory.h"
#include "capture/recorder.h"
#include "capture/session.h"
#include "capture/trace_description.h"
#include "kernels/device.h"
#include "tests/bench/device_bandwidth.h"
#include "tests/bench/tool_main.h"
#include "traces/command_options.h"
#include "traces/writer.h"

namespace {

using namespace kvwave;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
namespace po = boost::program_options;

constexpr const char* kUsage =
    "usage: device_bench bandwidth [--megabytes N]\n"
    "       device_bench decode MODEL [--positions 1024,16384] [--tokens 64] [--levels none] [--repeats 1]\n"
    "       device_bench memory MODEL [--positions 1024]";

std::uint32_t number(const po::variables_map& values, const char* name, std::int64_t highest) {
  return static_cast<std::uint32_t>(traces::parse_integer(name, values[name].as<std::string>(), 1, highest));
}

kernels::Device device_of(const po::variables_map& values) {
  return kernels::choose_device(kernels::parse_device_choice(values["device"].as<std::string>()),
                                kernels::list_devices());
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Json bandwidth(const po::variables_map& values) {
  const kernels::Device device = device_of(values);
  const std::uint64_t bytes = std::uint64_t{number(values, "megabytes", 1 << 20)} << 20U;
  const unsigned threads = kernels::ThreadPool(number(values, "threads", 1024)).size();
  const bench::Bandwidth found =
      device.is_cuda() ? bench::device_bandwidth(device.index, bytes) : bench::host_bandwidth(threads, bytes);
  return {{"device", device.name}, {"read_bytes_per_second", found.read}, {"copy_bytes_per_second", found.copy}};
}

/// A model with its session, and traces that are written and thrown away.
class Decoding {
 public:
  Decoding(const po::variables_map& values, const std::string& model)
      : device_(device_of(values)),
        model_(capture::Model::load(model)),
        tokenizer_(model_.tokenizer_data()),
        pool_(number(values, "threads", 1024)),
        session_(model_, tokenizer_, pool_, options(1), device_),
        folder_(values["folder"].as<std::string>()) {}

  const kernels::Device& device() const { return device_; }
  const capture::Model& model() const { return model_; }

  static capture::DecodeOptions options(std::uint32_t n_tokens) {
    capture::DecodeOptions decode;
    decode.max_tokens = n_tokens;
    decode.ignore_eos = true;
    return decode;
  }

  capture::PromptTokens prompt(std::uint32_t n_tokens) const {
    constexpr std::uint32_t kFirst = 3;  // behind the control tokens of the small vocabularies
    capture::PromptTokens tokens;
    const std::uint32_t span = model_.config().vocab_size - kFirst;
    for (std::uint32_t i = 0; i < n_tokens; ++i) {
      tokens.ids.push_back(static_cast<std::int32_t>(kFirst + i * std::uint64_t{7919} % span));
    }
    return tokens;
  }

  traces::TraceInfo info(const capture::PromptTokens& tokens, std::uint32_t n_tokens,
                         const traces::Levels& levels) const {
    capture::RecordOptions record;
    record.levels = levels;
    const std::string no_hash(64, '0');
    capture::RunIdentity identity{"device_bench", no_hash, no_hash, session_.decoder().attention_kernel(), "raw"};
    identity.device = session_.decoder().device_name();
    return describe_trace(model_, tokens, options(n_tokens), record, identity);
  }

  /// `levels`: a list of levels, or "none" for no recording.
  Json run(std::uint32_t positions, std::uint32_t n_tokens, const std::string& levels) {
    const capture::PromptTokens tokens = prompt(positions);
    const capture::RunPlan plan = plan_run(tokens, options(n_tokens), model_.config().context_length);
    std::unique_ptr<traces::TraceWriter> writer;
    traces::TraceInfo description;
    if (levels != "none") {
      description = info(tokens, n_tokens, traces::Levels::parse(levels));
      traces::WriterOptions writing;
      writing.overwrite = true;
      writing.sync_on_finish = false;
      writer = std::make_unique<traces::TraceWriter>(path(), description, writing);
    }
    const capture::RunResult result = session_.run(tokens, plan, {}, &description, writer.get());
    writer.reset();
    if (levels != "none") std::filesystem::remove(path());
    return {{"positions", positions},
            {"levels", levels},
            {"tokens", result.n_tokens},
            {"prefill_seconds", result.prefill_seconds},
            {"decode_seconds", result.decode_seconds},
            {"write_out_seconds", result.write_out_seconds},
            {"trace_bytes", result.written.bytes},
            {"stalls", result.written.stalls}};
  }

  std::filesystem::path path() const { return folder_ / "device_bench.h5"; }
  kernels::ThreadPool& pool() { return pool_; }

 private:
  kernels::Device device_;
  capture::Model model_;
  capture::Tokenizer tokenizer_;
  kernels::ThreadPool pool_;
  capture::Session session_;
  std::filesystem::path folder_;
};

Json decode(const po::variables_map& values, const std::string& model) {
  const Clock::time_point start = Clock::now();
  Decoding decoding(values, model);
  Json runs = Json::array();
  const std::uint32_t n_tokens = number(values, "tokens", 1 << 20);
  const std::uint32_t repeats = number(values, "repeats", 1000);
  const double load_seconds = seconds_since(start);
  for (const std::string& text : traces::parse_list("positions", values["positions"].as<std::string>())) {
    const auto positions = static_cast<std::uint32_t>(traces::parse_integer("positions", text, 1, 1 << 24));
    // Repeats outside, so that the compared runs lie next to each other in time.
    for (std::uint32_t repeat = 0; repeat < repeats; ++repeat) {
      for (const std::string& levels : values["levels"].as<std::vector<std::string>>()) {
        runs.push_back(decoding.run(positions, n_tokens, levels));
      }
    }
  }
  return {{"device", decoding.device().name}, {"load_seconds", load_seconds}, {"runs", runs}};
}

/// Free memory before and after a decoder with its recorder was made, against the prediction.
Json memory(const po::variables_map& values, const std::string& path) {
  Decoding decoding(values, path);
  const int device = decoding.device().index;
  if (!decoding.device().is_cuda()) throw traces::UsageError("device_bench memory measures a CUDA device");
  constexpr std::uint32_t kTokens = 8;
  const std::uint32_t positions = number(values, "positions", 1 << 24);
  decoding.run(16, kTokens, "none");  // the kernels' own code is loaded at their first use
  const std::uint64_t with_small = bench::free_device_bytes(device);

  const capture::PromptTokens tokens = decoding.prompt(positions);
  const traces::TraceInfo info = decoding.info(tokens, kTokens, {});
  traces::WriterOptions writing;
  writing.overwrite = true;
  traces::TraceWriter writer(decoding.path(), info, writing);
  capture::Recorder recorder(info, writer, decoding.pool().size());
  auto decoder = make_sequence_decoder(decoding.model(), capture::CacheType::f16, decoding.pool(), decoding.device());
  decoder->begin(positions + kTokens, &recorder);
  const std::uint64_t with_both = bench::free_device_bytes(device);
  decoder.reset();
  std::filesystem::remove(decoding.path());
  const auto predicted = predict_device_memory(decoding.model(), capture::CacheType::f16, positions + kTokens);
  return {{"device", decoding.device().name},
          {"positions", predicted.positions},
          {"predicted_bytes", predicted.memory.total()},
          {"measured_bytes", with_small - with_both}};
}

int device_bench(std::span<const std::string> args) {
  po::options_description options;
  const auto text = [&](const char* name, const char* value, const char* fallback, const char* help) {
    options.add_options()(name, po::value<std::string>()->value_name(value)->default_value(fallback), help);
  };
  text("device", "DEVICE", "cuda", "cuda, cuda:N or cpu");
  text("threads", "N", "2", "threads of the CPU");
  text("positions", "LIST", "1024", "prompt lengths to decode at");
  text("tokens", "N", "64", "tokens to decode at each");
  text("repeats", "N", "1", "runs of each");
  text("megabytes", "N", "4096", "memory that the bandwidth is measured on");
  text("folder", "DIR", ".", "where traces are written and removed");
  options.add_options()("levels",
                        po::value<std::vector<std::string>>()->value_name("LIST")->default_value({"none"}, "none"),
                        "levels to record, or none; repeats");
  options.add_options()("help,h", "print this help");
  po::options_description all = options;
  all.add_options()("words", po::value<std::vector<std::string>>(), "");
  po::positional_options_description places;
  places.add("words", -1);
  po::variables_map values;
  try {
    const std::vector<std::string> copy(args.begin(), args.end());
    po::store(po::command_line_parser(copy).options(all).positional(places).run(), values);
  } catch (const po::error& error) {
    throw traces::UsageError(error.what());
  }
  if (values.contains("help")) {
    fmt::print("{}\n\n", kUsage);
    return traces::kComplete;
  }
  const auto words =
      values.contains("words") ? values["words"].as<std::vector<std::string>>() : std::vector<std::string>{};
  const bool has_model = words.size() == 2;
  Json result;
  if (words.size() == 1 && words[0] == "bandwidth") {
    result = bandwidth(values);
  } else if (has_model && words[0] == "decode") {
    result = decode(values, words[1]);
  } else if (has_model && words[0] == "memory") {
    result = memory(values, words[1]);
  } else {
    throw traces::UsageError(kUsage);
  }
  fmt::print("{}\n", result.dump(2));
  return traces::kComplete;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_tool("device_bench", argc, argv, device_bench);
}
