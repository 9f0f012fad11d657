#include "viewer/app/figure_writer.h"

#include <utility>

#include "traces/output_file.h"
#include "viewer/app/png_file.h"
#include "viewer/model/figure_text.h"

namespace kvwave::viewer {
namespace {

constexpr std::size_t kMostWaitingBytes = std::size_t{64} << 20;

}  // namespace

void FigureWriter::write(const std::string& stem, DrawnPicture picture, std::shared_ptr<const Figure> figure,
                         std::vector<std::pair<std::string, std::string>> context) {
  if (waiting_bytes_ + picture.rgb.size() > kMostWaitingBytes) worker_.wait_idle();
  throw_failure();
  waiting_bytes_ += picture.rgb.size();
  submit(stem + ".png", [this, path = file(stem, ".png"), picture = std::move(picture)] {
    write_png(path, picture.rgb, picture.width, picture.height, overwrite_);
    waiting_bytes_ -= picture.rgb.size();
  });
  if (!figure) return;
  submit(stem + ".csv", [this, stem, figure, context = std::move(context)] {
    traces::write_text_file(file(stem, ".csv"), to_csv(*figure), overwrite_);
    traces::write_text_file(file(stem, ".json"), to_json(*figure, context), overwrite_);
  });
}

void FigureWriter::finish() {
  worker_.wait_idle();
  throw_failure();
}

void FigureWriter::submit(const std::string& slot, std::function<void()> job) {
  worker_.submit(slot, [this, job = std::move(job)](const Cancel&) {
    try {
      job();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  });
}

void FigureWriter::throw_failure() {
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace kvwave::viewer
