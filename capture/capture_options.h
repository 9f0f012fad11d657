// The options of `kvwave capture`, parsed and checked against each other.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "capture/dataset.h"
#include "capture/prompt_text.h"
#include "capture/session.h"
#include "capture/trace_description.h"
#include "kernels/device.h"

namespace kvwave::capture {

struct CaptureOptions {
  std::filesystem::path model;
  std::optional<std::string> prompt;                 ///< exactly one of these three
  std::optional<std::filesystem::path> prompt_file;  ///< "-" = stdin
  std::optional<std::filesystem::path> dataset;
  DatasetSelection selection;
  std::uint32_t samples = 1;  ///< traces of each line of the dataset, with seed, seed + 1, ...
  std::optional<std::filesystem::path> continue_from;
  PromptForm form;
  DecodeOptions decode;
  RecordOptions record;
  bool no_record = false;
  std::filesystem::path output;  ///< a file; with a dataset a folder
  bool force = false, quiet = false, json = false;
  bool resume = false;  ///< keep the finished traces of the dataset's folder
  kernels::DeviceChoice device;
  unsigned threads = 0;  ///< 0 = as many as the process may use
};

/// Throws traces::UsageError naming the option. Nothing when help was asked for and printed.
std::optional<CaptureOptions> parse_capture_options(std::span<const std::string> args);

}  // namespace kvwave::capture
