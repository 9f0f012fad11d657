#include "capture/capture_options.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "capture/option_reader.h"
#include "capture/prompt_form_options.h"
#include "capture/record_options.h"
#include "kernels/error.h"
#include "traces/command_line.h"

namespace kvwave::capture {
namespace {

namespace po = boost::program_options;
using traces::UsageError;

constexpr std::string_view kCaptureUsage =
    "usage: kvwave capture -m MODEL (-p TEXT | -P FILE | --dataset FILE.jsonl) -o trace.h5 [OPTIONS]\n\n"
    "Decodes a prompt and records attention, queries, keys and values, statistics and tokens of every step.\n"
    "The generated text goes to stdout, everything else to stderr.";

po::options_description capture_options() {
  const auto text = [] { return po::value<std::string>(); };
  po::options_description options;
  options.add_options()                                                                                           //
      ("model,m", text(), "the model: a GGUF file, or a folder with safetensors")                                 //
      ("prompt,p", text(), "the prompt")                                                                          //
      ("prompt-file,P", text(), "file that holds the prompt; - is stdin")                                         //
      ("dataset", text(), "JSON Lines, field problem, prompt, question or messages; one trace OUT/<id>.h5 each")  //
      ("limit", text(), "read at most so many lines of the dataset")                                              //
      ("skip", text(), "leave out so many lines first")                                                           //
      ("id", text(), "only the line of this id")                                                                  //
      ("samples", text(), "outputs of each line, with seeds from --seed on (default 1)")                          //
      ("resume", "keep what an earlier run of the same command finished in the folder")                           //
      ("raw", "feed the text as it is, without the model's chat template")                                        //
      ("system", text(), "a system message in front of the prompt")                                               //
      ("think", "switch thinking on, where the model's template has a switch")                                    //
      ("no-think", "switch thinking off")                                                                         //
      ("tokens,n", text(), "tokens to generate (default: 512, or what fits)")                                     //
      ("temperature", text(), "sample at this temperature; 0 = greedy (default)")                                 //
      ("top-p", text(), "sample from the likeliest tokens with this share, in (0, 1] (default 1)")                //
      ("top-k", text(), "sample from so many of the likeliest tokens; 0 = all (default)")                         //
      ("min-p", text(), "only tokens with this share of the likeliest one's, in [0, 1] (default 0)")              //
      ("repetition-penalty", text(), "divide logits of seen tokens by this, above 0 (default 1: off)")            //
      ("seed", text(), "seed of sampling (default 0)")                                                            //
      ("ignore-eos", "never choose an end token")                                                                 //
      ("continue-from", text(), "file whose text is fed instead of sampling; - is stdin")                         //
      ("continue-field", text(), "the same from this field of the dataset");
  add_record_options(options);
  options.add_options()                                                                          //
      ("qkv-dtype", text(), "f16 or f32: type of q, k, v in attention and trace (default f16)")  //
      ("device", text(), "auto, cpu, cuda or cuda:N (default auto)")                             //
      ("threads", text(), "CPU threads; 0 = all (default)")                                      //
      ("output,o", text(), "trace file; with --dataset a folder")                                //
      ("force,f", "replace existing files")                                                      //
      ("no-record", "decode without recording; needs no --output")                               //
      ("json", "print one JSON object instead of the text")                                      //
      ("quiet,q", "no text, status or progress");
  return options;
}

void read_prompt(const OptionReader& reader, CaptureOptions& options) {
  if (!reader.has("model")) throw UsageError("option -m/--model is required: the model file");
  options.model = *reader.optional_path("model");
  options.prompt = reader.optional_text("prompt");
  options.prompt_file = reader.optional_path("prompt-file");
  options.dataset = reader.optional_path("dataset");
  const int sources = (options.prompt ? 1 : 0) + (options.prompt_file ? 1 : 0) + (options.dataset ? 1 : 0);
  if (sources != 1) {
    throw UsageError(
        fmt::format("expected exactly one of -p/--prompt, -P/--prompt-file and --dataset, got {}", sources));
  }
  reader.needs("limit", "dataset");
  for (const char* name : {"skip", "id", "samples", "continue-field", "resume"}) reader.needs(name, "dataset");
  reader.conflict("continue-from", "dataset");
  reader.integer("limit", 1, std::numeric_limits<std::int32_t>::max(), options.selection.limit);
  reader.integer("skip", 0, std::numeric_limits<std::int32_t>::max(), options.selection.skip);
  options.selection.id = reader.optional_text("id");
  options.selection.continuation_field = reader.optional_text("continue-field");
  options.continue_from = reader.optional_path("continue-from");
  if (options.prompt_file && options.continue_from && *options.prompt_file == "-" && *options.continue_from == "-") {
    throw UsageError("--prompt-file and --continue-from cannot both be stdin");
  }
}

void read_decode(const OptionReader& reader, DecodeOptions& options) {
  if (reader.has("tokens")) {
    reader.integer("tokens", 1, std::numeric_limits<std::int32_t>::max(), options.max_tokens.emplace());
  }
  for (const char* name : {"temperature", "top-p", "top-k", "min-p", "repetition-penalty", "seed", "ignore-eos"}) {
    reader.conflict(name, "continue-from");
    reader.conflict(name, "continue-field");
  }
  reader.real("temperature", 0, 100, options.sampling.temperature);
  reader.real("top-p", 1e-9, 1, options.sampling.top_p);
  reader.integer("top-k", 0, std::numeric_limits<std::int32_t>::max(), options.sampling.top_k);
  reader.real("min-p", 0, 1, options.sampling.min_p);
  reader.real("repetition-penalty", 1e-3, 1e3, options.sampling.repetition_penalty);
  reader.integer("seed", 0, std::numeric_limits<std::int64_t>::max(), options.sampling.seed);
  options.ignore_eos = reader.has("ignore-eos");
  options.cache_type = reader.word("qkv-dtype", {"f16", "f32"}) == "f16" ? CacheType::f16 : CacheType::f32;
}

}  // namespace

std::optional<CaptureOptions> parse_capture_options(std::span<const std::string> args) {
  const auto values = traces::parse_options(kCaptureUsage, capture_options(), "", args);
  if (!values) return std::nullopt;
  const OptionReader reader(*values);
  CaptureOptions options;
  read_prompt(reader, options);
  options.form = read_prompt_form(*values);
  read_decode(reader, options.decode);
  options.record = read_record_options(reader);
  reader.integer("samples", 1, 100000, options.samples);
  if (options.samples > 1 && options.decode.sampling.temperature <= 0) {
    throw UsageError("option --samples needs a --temperature above 0: greedy outputs are all the same");
  }
  if (const auto device = reader.optional_text("device")) {
    try {
      options.device = kernels::parse_device_choice(*device);
    } catch (const kernels::Error& error) {
      throw UsageError(fmt::format("option --device: {}", error.what()));
    }
  }
  reader.integer("threads", 0, 1024, options.threads);
  for (const char* name : {"output", "resume"}) reader.conflict("no-record", name);
  reader.conflict("resume", "force");
  options.resume = reader.has("resume");
  options.no_record = reader.has("no-record");
  if (const auto output = reader.optional_path("output")) options.output = *output;
  if (!options.no_record && options.output.empty()) {
    throw UsageError("option -o/--output is required (or --no-record)");
  }
  options.force = reader.has("force");
  options.json = reader.has("json");
  options.quiet = reader.has("quiet");
  return options;
}

}  // namespace kvwave::capture
