# Whether nvcc is used, and how. Sets KVWAVE_HAS_CUDA.
#
# KVWAVE_CUDA AUTO looks for a working compiler, not for a toolkit: libraries without nvcc are of no use here.
set(KVWAVE_HAS_CUDA OFF)
# Machine code for 8.0, 9.0 and 12.0; the portable code of 9.0 serves 10.x and that of 12.0 whatever comes later.
set(KVWAVE_CUDA_ARCHITECTURES "80-real;90;120" CACHE STRING "CUDA architectures, as CMAKE_CUDA_ARCHITECTURES")
string(REGEX MATCH "^[0-9]+" KVWAVE_CUDA_OLDEST "${KVWAVE_CUDA_ARCHITECTURES}")

if(NOT KVWAVE_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES ${KVWAVE_CUDA_ARCHITECTURES})
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    enable_language(CUDA)
    set(KVWAVE_HAS_CUDA ON)
    if(KVWAVE_CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
      set(CMAKE_CUDA_COMPILER_LAUNCHER ${KVWAVE_CCACHE})
    endif()
  elseif(KVWAVE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "KVWAVE_CUDA=ON, but no working nvcc was found: put it on PATH, set CUDACXX, or run ./run setup --cuda")
  endif()
endif()
message(STATUS "kvwave: CUDA kernels ${KVWAVE_HAS_CUDA}")

# kvwave_cuda_options(TARGET) gives a target with .cu sources its flags. CMake 3.25 does not know C++20 for nvcc.
function(kvwave_cuda_options target)
  set_target_properties(${target} PROPERTIES CUDA_SEPARABLE_COMPILATION OFF)
  target_compile_definitions(${target} PRIVATE KVWAVE_CUDA_OLDEST=${KVWAVE_CUDA_OLDEST})
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--threads=2>")
  if(KVWAVE_WERROR)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>")
  endif()
endfunction()
