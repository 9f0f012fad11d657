// Writes pictures with their numbers on a thread of its own, so that the next one is drawn meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "viewer/model/figure.h"
#include "viewer/model/worker.h"

namespace kvwave::viewer {

struct DrawnPicture {
  std::vector<std::uint8_t> rgb;  ///< [height, width, 3]
  int width = 0, height = 0;
};

class FigureWriter {
 public:
  FigureWriter(std::filesystem::path folder, bool overwrite) : folder_(std::move(folder)), overwrite_(overwrite) {}

  /// STEM.png and, with a figure, STEM.csv and STEM.json; returns at once unless too many pixels wait. Throws what an
  /// earlier write failed with.
  void write(const std::string& stem, DrawnPicture picture, std::shared_ptr<const Figure> figure,
             std::vector<std::pair<std::string, std::string>> context);
  /// Returns when all is written; throws the first failure.
  void finish();

  std::filesystem::path file(const std::string& stem, const char* ending) const { return folder_ / (stem + ending); }

 private:
  void submit(const std::string& slot, std::function<void()> job);
  void throw_failure();

  std::filesystem::path folder_;
  bool overwrite_;
  std::atomic<std::size_t> waiting_bytes_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
  Worker worker_;  // last: its thread uses the rest
};

}  // namespace kvwave::viewer
