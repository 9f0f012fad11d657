// Collects the kernels of one SIMD path into its table.
#pragma once

#include "kernels/attention_body.h"
#include "kernels/gemm_body.h"
#include "kernels/gemv_body.h"
#include "kernels/simd_kernels.h"

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

constexpr kvwave::kernels::SimdKernels kTable = {
    // In the order of ParamType.
    {gemv<F32Format>, gemv<F16Format>, gemv<Bf16Format>, gemv<Q40Format>, gemv<Q41Format>, gemv<Q50Format>,
     gemv<Q51Format>, gemv<Q80Format>, gemv<Q4KFormat>, gemv<Q5KFormat>, gemv<Q6KFormat>, gemv<Q2KFormat>,
     gemv<Q3KFormat>, gemv<Iq4NlFormat>, gemv<Mxfp4Format>},
    {matmul<F32Format>, matmul<F16Format>, matmul<Bf16Format>, matmul<Q40Format>, matmul<Q41Format>, matmul<Q50Format>,
     matmul<Q51Format>, matmul<Q80Format>, matmul<Q4KFormat>, matmul<Q5KFormat>, matmul<Q6KFormat>, matmul<Q2KFormat>,
     matmul<Q3KFormat>, matmul<Iq4NlFormat>, matmul<Mxfp4Format>},
    // In the order of KvType.
    {score<F16Values>, score<F32Values>},
    {accumulate<F16Values>, accumulate<F32Values>},
    softmax,
    swiglu};

}  // namespace
