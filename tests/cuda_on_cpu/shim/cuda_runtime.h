// Stands in for NVIDIA's header of the same name when kernels are compiled as plain C++20.
#pragma once

#include "sim_atomics.h"
#include "sim_language.h"
#include "sim_math.h"
#include "sim_runtime.h"
#include "sim_warp.h"
