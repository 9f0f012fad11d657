// How a session's background threads hand over what they made; of the session's own files alone.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "viewer/model/session.h"

namespace kvwave::viewer {

/// Where background threads leave what the UI thread is to do.
struct Session::Mailbox {
  std::mutex mutex;
  std::vector<std::function<void(Session&)>> letters;

  void post(std::function<void(Session&)> letter) {
    const std::lock_guard lock(mutex);
    letters.push_back(std::move(letter));
  }
  std::vector<std::function<void(Session&)>> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(letters, {});
  }
  bool empty() {
    const std::lock_guard lock(mutex);
    return letters.empty();
  }
};

}  // namespace kvwave::viewer
