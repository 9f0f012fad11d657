# Compiler settings shared by every target, as one interface target: kvwave::options.
add_library(kvwave_options INTERFACE)
add_library(kvwave::options ALIAS kvwave_options)

target_compile_features(kvwave_options INTERFACE cxx_std_20)
target_include_directories(kvwave_options INTERFACE ${PROJECT_SOURCE_DIR})
# -ffp-contract=off: the compiler may not fuse a*b+c on its own, so that a result does not depend on the instruction
# set a file was compiled for. Kernels that want fused operations say so with intrinsics.
target_compile_options(kvwave_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wno-sign-conversion;-ffp-contract=off>")
if(CMAKE_UNITY_BUILD)  # names of one file are global to the next: what that hides the other builds look for
  target_compile_options(kvwave_options INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-shadow;-Wno-subobject-linkage>)
endif()
if(KVWAVE_WERROR)
  target_compile_options(kvwave_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Werror>")
endif()
if(KVWAVE_SANITIZE)
  target_compile_options(kvwave_options INTERFACE -fsanitize=${KVWAVE_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(kvwave_options INTERFACE -fsanitize=${KVWAVE_SANITIZE})
  if(KVWAVE_SANITIZE MATCHES "undefined")
    target_compile_options(kvwave_options INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()
if(KVWAVE_FUZZ)  # the libraries under test must report their coverage to the fuzzer
  target_compile_options(kvwave_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_program(KVWAVE_CCACHE ccache)
if(KVWAVE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${KVWAVE_CCACHE})
endif()

# kvwave_library(NAME SOURCES... ) makes the static library kvwave_NAME with the alias kvwave::NAME.
function(kvwave_library name)
  add_library(kvwave_${name} STATIC ${ARGN})
  add_library(kvwave::${name} ALIAS kvwave_${name})
  target_link_libraries(kvwave_${name} PUBLIC kvwave::options)
endfunction()
