// Atomics. Relaxed, as on the device: they order nothing but themselves.
#pragma once

#include <type_traits>

#include "sim_scheduler.h"

namespace cudasim {

template <class T, class F>
T read_modify_write(T* p, F change) {
  T old;
  T next;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do {
    next = change(old);
  } while (!__atomic_compare_exchange(p, &old, &next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}

}  // namespace cudasim

template <class T>
T atomicAdd(T* p, std::type_identity_t<T> v) {
  return cudasim::read_modify_write(p, [v](T old) { return static_cast<T>(old + v); });
}
template <class T>
T atomicSub(T* p, std::type_identity_t<T> v) {
  return cudasim::read_modify_write(p, [v](T old) { return static_cast<T>(old - v); });
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> v) {
  return cudasim::read_modify_write(p, [v](T old) { return v < old ? v : old; });
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> v) {
  return cudasim::read_modify_write(p, [v](T old) { return old < v ? v : old; });
}
template <class T>
T atomicAnd(T* p, std::type_identity_t<T> v) {
  return cudasim::read_modify_write(p, [v](T old) { return static_cast<T>(old & v); });
}
template <class T>
T atomicOr(T* p, std::type_identity_t<T> v) {
  return cudasim::read_modify_write(p, [v](T old) { return static_cast<T>(old | v); });
}
template <class T>
T atomicXor(T* p, std::type_identity_t<T> v) {
  return cudasim::read_modify_write(p, [v](T old) { return static_cast<T>(old ^ v); });
}
// These two are what spin locks are made of: the lock's owner must get its turn.
template <class T>
T atomicExch(T* p, std::type_identity_t<T> v) {
  cudasim::yield();
  return cudasim::read_modify_write(p, [v](T) { return v; });
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
  cudasim::yield();
  __atomic_compare_exchange(p, &expected, &v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
