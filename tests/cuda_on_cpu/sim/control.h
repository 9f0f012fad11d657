// What tests may set and ask of the simulated device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cudasim {

enum class Order { forward, reverse, shuffle };

/// The order in which warps, and lanes inside them, run. The environment variable CUDASIM_ORDER
/// (forward | reverse | shuffle[:seed]) sets it for a whole test program.
void set_order(Order order, std::uint64_t seed = 1);

/// A fault (a barrier that not all threads reach, a shuffle from an absent lane, ...) ends the process, unless false
/// was set: then the launch answers cudaErrorLaunchFailure and last_fault() tells why.
void set_abort_on_fault(bool abort);
const std::string& last_fault();
/// Forgets faults and sticky errors.
void clear_fault();

/// Kernels run so far, and a way to break one: the launch after `good` more answers cudaErrorLaunchFailure and so does
/// every call after it, as a device that met an illegal access does, until clear_fault().
std::uint64_t launches();
void fail_launch_after(std::uint64_t good);

/// All streams do what is enqueued, as a device does while the host is busy elsewhere.
void catch_up();

/// Makes cudaMalloc fail beyond so many bytes in all.
void set_memory_limit(std::size_t bytes);
std::size_t memory_in_use();
/// The most that was in use since the last call.
std::size_t take_memory_peak();
/// What cudaGetDeviceCount answers: an error number, 0 for none.
void set_device_error(int error);

}  // namespace cudasim
