// The architecture as a test: which folder may include which, and which third party belongs to whom.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

struct Include {
  std::string file;  // relative to the root
  int line = 0;
  std::string target;
};

const fs::path kRoot = KVWAVE_SOURCE_DIR;
const std::vector<std::string> kFolders = {"traces", "kernels", "alloc", "capture", "replay", "viewer"};

bool is_source(const fs::path& path) {
  static const std::set<std::string> kEndings = {".h", ".cpp", ".cu", ".cuh"};
  return kEndings.contains(path.extension().string());
}

std::vector<Include> includes_of(const std::string& folder) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*[<"]([^>"]+)[>"])re");
  std::vector<Include> found;
  if (!fs::exists(kRoot / folder)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
    if (!is_source(entry.path())) continue;
    std::ifstream in(entry.path());
    std::string text;
    for (int line = 1; std::getline(in, text); ++line) {
      std::smatch match;
      if (std::regex_search(text, match, kInclude)) {
        found.push_back({fs::relative(entry.path(), kRoot).string(), line, match[1]});
      }
    }
  }
  return found;
}

std::string first_part(const std::string& path) {
  return path.substr(0, path.find('/'));
}

TEST(Arrows, folders_include_only_what_the_design_allows) {
  const std::map<std::string, std::set<std::string>> allowed = {
      {"traces", {"traces"}},
      {"kernels", {"kernels"}},
      {"alloc", {"alloc"}},
      {"capture", {"capture", "traces", "kernels"}},
      {"replay", {"replay", "traces", "kernels", "alloc"}},
      {"viewer", {"viewer", "replay", "traces"}},
  };
  std::size_t seen = 0;
  for (const std::string& folder : kFolders) {
    for (const Include& include : includes_of(folder)) {
      ++seen;
      const std::string target = first_part(include.target);
      const bool ours = target == "tests" || std::count(kFolders.begin(), kFolders.end(), target) > 0;
      if (ours && include.target.find('/') != std::string::npos) {
        EXPECT_TRUE(allowed.at(folder).contains(target))
            << include.file << ":" << include.line << " includes " << include.target;
      }
      EXPECT_EQ(include.target.find("../"), std::string::npos)
          << include.file << ":" << include.line << " includes a relative path";
    }
  }
  EXPECT_GT(seen, 100U) << "the scan found too few includes to mean anything";
}

TEST(Arrows, third_parties_stay_private_to_their_folder) {
  // Beginning of an include -> folders that may use it.
  const std::map<std::string, std::set<std::string>> owners = {
      {"hdf5", {"traces"}},
      {"H5", {"traces"}},
      {"libdeflate", {"traces", "viewer"}},
      {"Eigen", {"kernels", "capture"}},
      {"pcre2", {"capture"}},
      {"nlohmann", {"traces", "capture", "replay", "viewer"}},
      {"imgui", {"viewer"}},
      {"implot", {"viewer"}},
      {"GLFW", {"viewer"}},
      {"cuda", {"kernels"}},
      {"gtest", {}},
      {"benchmark", {}},
  };
  for (const std::string& folder : kFolders) {
    for (const Include& include : includes_of(folder)) {
      for (const auto& [beginning, folders] : owners) {
        if (include.target.starts_with(beginning)) {
          EXPECT_TRUE(folders.contains(folder))
              << include.file << ":" << include.line << " includes " << include.target;
        }
      }
    }
  }
}

TEST(Arrows, public_headers_carry_no_third_party) {
  // A header that another folder may include compiles with the standard library alone. Headers whose job is to wrap a
  // third party for their own folder are named here.
  const std::set<std::string> wrappers = {"traces/hdf5_handle.h", "traces/command_options.h", "capture/json_reader.h",
                                          "capture/prompt_form_options.h"};
  const std::vector<std::string> third = {"hdf5", "H5", "libdeflate", "Eigen", "pcre2", "nlohmann", "boost", "cuda"};
  for (const std::string& folder : kFolders) {
    for (const Include& include : includes_of(folder)) {
      if (!include.file.ends_with(".h") || wrappers.contains(include.file)) continue;
      for (const std::string& beginning : third) {
        EXPECT_FALSE(include.target.starts_with(beginning))
            << include.file << ":" << include.line << " includes " << include.target;
      }
    }
  }
}

TEST(Arrows, wide_kernels_keep_templates_out) {
  // Files compiled for AVX2 or AVX-512 must not instantiate what other files instantiate too: the linker may keep the
  // wide copy for everyone, and an old CPU dies of it.
  const std::set<std::string> harmless = {"cstddef", "cstdint", "immintrin.h", "cmath", "cstring", "cfloat"};
  for (const Include& include : includes_of("kernels")) {
    if (include.file.find("_avx") == std::string::npos && include.file.find("_f16c") == std::string::npos) continue;
    if (include.file.ends_with(".h") || include.target.starts_with("kernels/")) continue;
    EXPECT_TRUE(harmless.contains(include.target))
        << include.file << ":" << include.line << " includes " << include.target;
  }
}

TEST(Tree, holds_no_long_files) {
  for (const std::string& folder : kFolders) {
    if (!fs::exists(kRoot / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (!is_source(entry.path())) continue;
      std::ifstream in(entry.path());
      const auto lines = std::count(std::istreambuf_iterator<char>(in), {}, '\n');
      EXPECT_LE(lines, 500) << fs::relative(entry.path(), kRoot).string();
    }
  }
}

}  // namespace
