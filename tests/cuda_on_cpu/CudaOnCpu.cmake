# Runs the kernels' own source on the CPU. kvwave_cuda_on_cpu(TARGET SOURCES...) compiles .cu files as plain C++20 with
# the shim in place of NVIDIA's headers and adds them, and the scheduler, to an existing target.
set(KVWAVE_CUDA_ON_CPU ${CMAKE_CURRENT_LIST_DIR})

# The scheduler must not look like kernel code: ThreadSanitizer would see its switches. Other sanitizers it needs.
# Objects, not an archive: they come before NVIDIA's runtime wherever that is linked too.
add_library(kvwave_cudasim OBJECT
  ${KVWAVE_CUDA_ON_CPU}/sim/block.cpp
  ${KVWAVE_CUDA_ON_CPU}/sim/device.cpp
  ${KVWAVE_CUDA_ON_CPU}/sim/fiber.cpp
  ${KVWAVE_CUDA_ON_CPU}/sim/launch.cpp
  ${KVWAVE_CUDA_ON_CPU}/sim/memory.cpp
  ${KVWAVE_CUDA_ON_CPU}/sim/streams.cpp
  ${KVWAVE_CUDA_ON_CPU}/sim/warp.cpp)
set_target_properties(kvwave_cudasim PROPERTIES UNITY_BUILD OFF)
target_compile_features(kvwave_cudasim PUBLIC cxx_std_20)
target_compile_options(kvwave_cudasim PRIVATE -Wall -Wextra -Wshadow)
target_include_directories(kvwave_cudasim PUBLIC ${KVWAVE_CUDA_ON_CPU}/sim PRIVATE ${KVWAVE_CUDA_ON_CPU}/shim)
if(KVWAVE_SANITIZE STREQUAL "thread")
  target_compile_definitions(kvwave_cudasim PRIVATE CUDASIM_TSAN)
elseif(KVWAVE_SANITIZE)
  target_compile_options(kvwave_cudasim PRIVATE -fsanitize=${KVWAVE_SANITIZE} -fno-omit-frame-pointer)
endif()

function(kvwave_cuda_on_cpu target)
  kvwave_cuda_on_cpu_objects(${target}_cuda ${ARGN})
  target_link_libraries(${target} PRIVATE ${target}_cuda kvwave_cudasim)
endfunction()

# kvwave_cuda_on_cpu_objects(NAME SOURCES...) compiles .cu files as plain C++20 into an object library, for several
# targets to link beside kvwave_cudasim.
function(kvwave_cuda_on_cpu_objects target)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
  add_library(${target} OBJECT ${ARGN})
  set_target_properties(${target} PROPERTIES UNITY_BUILD OFF)  # nvcc compiles each by itself; constants share names
  target_link_libraries(${target} PRIVATE kvwave::options kvwave_cudasim)
  target_include_directories(${target} BEFORE PRIVATE ${KVWAVE_CUDA_ON_CPU}/shim)
  target_compile_definitions(${target} PRIVATE KVWAVE_CUDA_OLDEST=80)
  # Kernels read packed values through pointers of other types, which nvcc allows; sign conversions between CUDA's
  # unsigned built-ins and indices are idiom there.
  target_compile_options(${target} PRIVATE -fno-strict-aliasing -Wno-pedantic -Wno-conversion -Wno-unknown-pragmas)
  if(KVWAVE_SANITIZE MATCHES "address")
    target_compile_options(${target} PRIVATE -fsanitize-sections=cudasim_shared)
  endif()
  # The language property does not reach g++, which goes by the file's ending.
  target_compile_options(${target} PRIVATE "SHELL:-x c++")
endfunction()

# kvwave_cuda_on_cpu_test(NAME [CUDA file.cu...] SOURCES file.cpp... LIBRARIES lib...) is kvwave_test with kernels, its
# own or those of an object library, run in three orders of threads; under a sanitizer in the one that CUDASIM_ORDER says.
function(kvwave_cuda_on_cpu_test name)
  cmake_parse_arguments(arg "" "" "CUDA;SOURCES;LIBRARIES" ${ARGN})
  kvwave_test(${name} LIBRARIES ${arg_LIBRARIES} kvwave_cudasim SOURCES ${arg_SOURCES})
  if(arg_CUDA)
    kvwave_cuda_on_cpu_objects(${name}_cuda ${arg_CUDA})
    target_link_libraries(${name} PRIVATE ${name}_cuda)
  endif()
  if(KVWAVE_SANITIZE)
    return()
  endif()
  foreach(order reverse shuffle:7)
    add_test(NAME ${name}.${order} COMMAND ${name})
    set_tests_properties(${name}.${order} PROPERTIES ENVIRONMENT CUDASIM_ORDER=${order} TIMEOUT 600)
  endforeach()
endfunction()
