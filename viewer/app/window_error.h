// What can be wrong with displays, drivers and the files of the viewer itself.
#pragma once

#include <stdexcept>

namespace kvwave::viewer {

/// No display, no usable OpenGL, a size that cannot be drawn. what() is one line.
class WindowError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace kvwave::viewer
