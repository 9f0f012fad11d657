// Private to alloc: what each component's file hands to the registry.
#pragma once

#include <memory>

#include "alloc/allocator.h"
#include "alloc/registry.h"
#include "alloc/scorer.h"
#include "alloc/strategy.h"

namespace kvwave::alloc {

struct AllocatorEntry {
  ComponentSpec spec;
  std::unique_ptr<Allocator> (*make)(const Component& component);
};
struct ScorerEntry {
  ComponentSpec spec;
  std::unique_ptr<Scorer> (*make)(const Component& component);
};

AllocatorEntry uniform_entry();
AllocatorEntry pyramid_entry();
AllocatorEntry reasonalloc_entry();
AllocatorEntry reasonalloc_layer_entry();
AllocatorEntry reasonalloc_head_entry();
AllocatorEntry reasonalloc_dynamic_entry();
AllocatorEntry adakv_entry();
AllocatorEntry headkv_entry();
AllocatorEntry dynamickv_entry();
AllocatorEntry cake_allocator_entry();
AllocatorEntry duoattention_entry();
AllocatorEntry lukv_entry();
AllocatorEntry oracle_allocator_entry();

ScorerEntry rkv_entry();
ScorerEntry snapkv_entry();
ScorerEntry snapkv_prefill_entry();
ScorerEntry keydiff_entry();
ScorerEntry knorm_entry();
ScorerEntry lagkv_entry();
ScorerEntry expected_attention_entry();
ScorerEntry random_entry();
ScorerEntry streaming_entry();
ScorerEntry oracle_entry();
ScorerEntry h2o_entry();
ScorerEntry tova_entry();
ScorerEntry scissorhands_entry();
ScorerEntry lazyeviction_entry();
ScorerEntry cake_scorer_entry();
ScorerEntry quest_entry();
ScorerEntry lru_entry();

}  // namespace kvwave::alloc
