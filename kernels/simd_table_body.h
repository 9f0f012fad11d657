// Collects the kernels of one SIMD path into its table.
#pragma once

#include "kernels/attention_body.h"
#include "kernels/gemv_body.h"
#include "kernels/simd_kernels.h"

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

constexpr kvwave::kernels::SimdKernels kTable = {
    // In the order of ParamType.
    {gemv<F32Format>, gemv<F16Format>, gemv<Bf16Format>, gemv<Q40Format>, gemv<Q41Format>, gemv<Q50Format>,
     gemv<Q51Format>, gemv<Q80Format>, gemv<Q4KFormat>, gemv<Q5KFormat>, gemv<Q6KFormat>},
    {expand<F32Format>, expand<F16Format>, expand<Bf16Format>, expand<Q40Format>, expand<Q41Format>, expand<Q50Format>,
     expand<Q51Format>, expand<Q80Format>, expand<Q4KFormat>, expand<Q5KFormat>, expand<Q6KFormat>},
    multiply,
    // In the order of KvType.
    {score<F16Values>, score<F32Values>},
    {accumulate<F16Values>, accumulate<F32Values>},
    softmax,
    swiglu};

}  // namespace
