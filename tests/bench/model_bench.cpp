// model_bench TASK ...: what models cost before the first token, one JSON object each.
//   load MODEL          seconds to read the file and to load the model from it, mapped and copied
//   tokenize MODEL TEXT bytes per second of the model's tokenizer; --sentencepiece: of its pieces as a SentencePiece
//   one bandwidth           bytes per second that so many threads read from memory
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "capture/available_memory.h"
#include "capture/model.h"
#include "capture/prompt_text.h"
#include "capture/tokenizer.h"
#include "capture/utf8.h"
#include "tests/bench/device_bandwidth.h"
#include "tests/bench/tool_main.h"
#include "traces/command_options.h"

namespace {

using namespace kvwave;
using capture::FileMemory;
namespace po = boost::program_options;

constexpr int kRounds = 3;

/// The best of a few times: what else the machine does only adds.
template <class Work>
double best_seconds(const Work& work) {
  using Clock = std::chrono::steady_clock;
  double best = 1e300;
  for (int round = 0; round < kRounds; ++round) {
    const Clock::time_point start = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

/// Reads a file to its end through one buffer, as `cat FILE > /dev/null` does.
void read_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw std::runtime_error(path + " cannot be opened");
  std::vector<char> buffer(std::size_t{1} << 20);
  while (::read(file, buffer.data(), buffer.size()) > 0) continue;
  ::close(file);
}

int load(const std::string& path) {
  const double read = best_seconds([&] { read_file(path); });
  const double mapped = best_seconds([&] { (void)capture::Model::load(path, FileMemory::mapped); });
  bool is_copy = false;
  const double copied = best_seconds([&] { is_copy = capture::Model::load(path, FileMemory::copied).is_copy(); });
  const capture::Model model = capture::Model::load(path);
  const double hash = best_seconds([&] { (void)capture::Model::load(path).sha256(); }) - mapped;
  fmt::print(
      R"({{"bytes": {}, "read_seconds": {}, "mapped_seconds": {}, "copied_seconds": {}, "is_copy": {}, "hash_seconds": {}}})"
      "\n",
      model.file_bytes(), read, mapped, copied, is_copy, hash);
  return traces::kComplete;
}

/// A byte-level vocabulary written as a SentencePiece one: earlier pieces, which byte-level BPE merges first, score
/// higher; what is no whole text or reaches from one word into the next is left out, as trainers of SentencePiece leave
/// it out, and every byte has a token.
capture::TokenizerData as_sentencepiece(const capture::Tokenizer& tokenizer, const capture::TokenizerData& from) {
  constexpr std::int32_t kNormal = 1, kUnused = 5, kByte = 6;
  capture::TokenizerData data;
  data.source = from.source;
  data.kind = "llama";
  data.add_space_prefix = true;
  const auto add = [&data](std::string piece, std::int32_t type) {
    data.scores.push_back(-static_cast<float>(data.pieces.size()));
    data.pieces.push_back(std::move(piece));
    data.types.push_back(type);
  };
  for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte), kByte);
  for (std::uint32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    std::string piece;
    for (const char c : tokenizer.bytes(static_cast<std::int32_t>(id))) {
      piece += c == ' ' ? std::string("\xe2\x96\x81") : std::string(1, c);
    }
    const std::size_t letters = piece.find_first_not_of("\xe2\x96\x81");
    const bool whole = capture::valid_utf8_prefix(piece) == piece.size() &&
                       piece.find("\xe2\x96\x81", letters) == std::string::npos &&
                       !tokenizer.is_control(static_cast<int>(id));
    add(piece, whole ? kNormal : kUnused);
  }
  return data;
}

int tokenize(const std::string& model_path, const std::string& text_path, bool sentencepiece) {
  const capture::Model model = capture::Model::load(model_path);
  const std::string text = capture::read_text_file(text_path);
  capture::TokenizerData data = model.tokenizer_data();
  if (sentencepiece) data = as_sentencepiece(capture::Tokenizer(data), data);
  const capture::Tokenizer tokenizer(data);
  std::size_t tokens = 0;
  const double seconds = best_seconds([&] { tokens = tokenizer.encode(text, false, false).size(); });
  fmt::print(R"({{"bytes": {}, "tokens": {}, "seconds": {}}})"
             "\n",
             text.size(), tokens, seconds);
  return traces::kComplete;
}

int bandwidth(unsigned threads) {
  constexpr std::uint64_t kBytes = std::uint64_t{1} << 30;
  fmt::print(R"({{"bytes_per_second": {}, "threads": {}, "available_bytes": {}}})"
             "\n",
             bench::host_bandwidth(threads, kBytes).read, threads, capture::available_memory());
  return traces::kComplete;
}

int model_bench(std::span<const std::string> args) {
  po::options_description options;
  options.add_options()("sentencepiece", "tokenize: the model's pieces as a SentencePiece vocabulary")(
      "threads", po::value<std::string>()->value_name("N"), "bandwidth: threads that read (all)");
  const auto values =
      traces::parse_options("usage: model_bench load MODEL | tokenize MODEL TEXT | bandwidth", options, "task", args);
  if (!values) return traces::kComplete;
  const auto words =
      values->contains("task") ? (*values)["task"].as<std::vector<std::string>>() : std::vector<std::string>();
  if (words.size() == 2 && words[0] == "load") return load(words[1]);
  if (words.size() == 3 && words[0] == "tokenize")
    return tokenize(words[1], words[2], values->contains("sentencepiece"));
  if (words.size() == 1 && words[0] == "bandwidth") {
    const bool given = values->contains("threads");
    return bandwidth(
        given ? static_cast<unsigned>(traces::parse_integer("threads", (*values)["threads"].as<std::string>(), 1, 1024))
              : std::max(1U, std::thread::hardware_concurrency()));
  }
  throw traces::UsageError("expected load MODEL, tokenize MODEL TEXT or bandwidth");
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_tool("model_bench", argc, argv, model_bench);
}
