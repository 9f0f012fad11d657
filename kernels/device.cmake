# The device side: kvwave::device holds the kernels, or stubs of the same symbols in a build without CUDA. The list of
# sources is also compiled as plain C++ by tests/cuda_on_cpu.
set(cuda_sources
  ceilings_cuda.cu
  covering_sets_cuda.cu
  cuda_check.cu
  cuda_decoder.cu
  cuda_decoder_memory.cu
  cuda_matrix.cu
  cuda_record_ring.cu
  decode_attention_cuda.cu
  decoder_pass.cu
  device_query.cu
  gemm_cuda.cu
  gemv_cuda.cu
  layer_stream.cu
  output_error_cuda.cu
  position_mass_cuda.cu
  prefill_attention_cuda.cu
  refresh_statistics.cu
  replay_device.cu
  retained_mass_cuda.cu
  rkv_importance_cuda.cu
  rkv_redundancy_cuda.cu
  row_evaluator.cu
  row_normalisers_cuda.cu
  row_ranks_cuda.cu
  row_stats_cuda.cu
  select_top_cuda.cu
  transformer_ops_cuda.cu)
list(TRANSFORM cuda_sources PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
set_property(GLOBAL PROPERTY KVWAVE_CUDA_SOURCES ${cuda_sources})
if(KVWAVE_HAS_CUDA)
  kvwave_library(device ${cuda_sources})
  kvwave_cuda_options(kvwave_device)
else()
  kvwave_library(device device_stub.cpp replay_device_stub.cpp)
endif()
target_link_libraries(kvwave_device PUBLIC kvwave::kernels)
