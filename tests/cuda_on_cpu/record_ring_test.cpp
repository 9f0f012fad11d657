// The ring that carries records from the device: order, what it waits for, and what it counts.
#include <algorithm>
#include <numeric>

#include "capture/cuda_sequence.h"
#include "control.h"
#include "tests/cuda_on_cpu/sequence_fixture.h"

namespace kvwave::capture {
namespace {

using RecordRingTest = CudaSequenceTest;

TEST_F(RecordRingTest, records_come_in_order_and_complete) {
  write_model({});
  class Collect final : public kernels::DecodeRecordSink {
   public:
    std::vector<std::uint32_t> positions, with_rows;

   private:
    void record(const kernels::DecodeRecord& record) override {
      positions.push_back(record.position);
      if (record.stats.empty()) return;
      with_rows.push_back(record.position);
      const auto entries = std::accumulate(record.entry_count.begin(), record.entry_count.end(), std::size_t{0});
      EXPECT_EQ(record.entry_position.size(), entries);
    }
  } sink;
  kernels::CudaDecoder decoder(decoder_model(*model_), {0, kernels::KvType::f16, 64});
  kernels::RecordOptions record;
  record.rho = {0.93};
  record.first_row = 19;
  decoder.start_recording(record, sink);
  decoder.feed(prompt_of(23).ids);
  for (std::int32_t step = 0; step < 7; ++step) decoder.feed({&step, 1});
  decoder.finish();
  std::vector<std::uint32_t> expected(30);
  std::iota(expected.begin(), expected.end(), 0U);
  EXPECT_EQ(sink.positions, expected);
  EXPECT_EQ(sink.with_rows, std::vector<std::uint32_t>(expected.begin() + 19, expected.end()));
}

/// A disk that takes a record only every so often: until then it says so, and would wait if it were asked.
class SlowSink final : public kernels::DecodeRecordSink {
 public:
  explicit SlowSink(unsigned calls_until_ready) : calls_until_ready_(calls_until_ready) {}
  std::vector<std::uint32_t> positions;
  unsigned waited = 0, stalls = 0;

 private:
  void record(const kernels::DecodeRecord& record) override {
    if (remaining_ != 0) ++waited;
    positions.push_back(record.position);
    remaining_ = calls_until_ready_;
  }
  bool ready() const override {
    if (remaining_ != 0) --remaining_;
    return remaining_ == 0;
  }
  void stalled() override { ++stalls; }

  unsigned calls_until_ready_;
  mutable unsigned remaining_ = 0;
};

TEST_F(RecordRingTest, decoding_waits_for_a_slow_sink_only_when_the_ring_is_full_and_counts_it) {
  write_model({});
  const auto run = [&](SlowSink& sink, std::int32_t n_steps) {
    kernels::CudaDecoder decoder(decoder_model(*model_), {0, kernels::KvType::f16, 64});
    kernels::RecordOptions record;
    record.rho = {0.93};
    decoder.start_recording(record, sink);
    for (std::int32_t step = 0; step < n_steps; ++step) {
      decoder.feed({&step, 1});
      EXPECT_EQ(decoder.stall_count(), sink.stalls) << "step " << step;
      EXPECT_TRUE(step >= 4 || sink.stalls == 0) << "a slot is free at step " << step;
      cudasim::catch_up();  // the copies have time: only the sink is slow
    }
    EXPECT_EQ(sink.waited, sink.stalls) << "waited though a slot was free";
    decoder.finish();
    std::vector<std::uint32_t> expected(static_cast<std::size_t>(n_steps));
    std::iota(expected.begin(), expected.end(), 0U);
    EXPECT_EQ(sink.positions, expected) << "records were lost or came in another order";
  };
  SlowSink slow(100);
  run(slow, 12);
  EXPECT_GT(slow.stalls, 0U);
  SlowSink quick(0);
  run(quick, 12);
  EXPECT_EQ(quick.stalls, 0U);
}

TEST_F(RecordRingTest, queries_keys_and_values_travel_in_the_type_they_are_stored_in) {
  write_model({});
  class Sizes final : public kernels::DecodeRecordSink {
   public:
    std::size_t q = 0, k = 0;

   private:
    void record(const kernels::DecodeRecord& record) override {
      q = record.q.size();
      k = record.k.size();
    }
  };
  const kernels::DecoderModel model = decoder_model(*model_);
  for (const auto& [type, bytes] : {std::pair{kernels::KvType::f16, 2U}, {kernels::KvType::f32, 4U}}) {
    Sizes sink;
    kernels::CudaDecoder decoder(model, {0, type, 16});
    decoder.start_recording({}, sink);
    decoder.feed(prompt_of(3).ids);
    decoder.finish();
    EXPECT_EQ(sink.q, model.layers.size() * model.n_q_heads * model.head_dim * bytes);
    EXPECT_EQ(sink.k, model.layers.size() * model.n_kv_heads * model.head_dim * bytes);
  }
}

TEST_F(RecordRingTest, a_long_prompt_is_recorded_in_blocks_that_a_slot_holds) {
  TinyLlama shape;
  shape.n_layers = 1;
  shape.hidden = 32;
  shape.ffn = 32;
  write_model(shape);
  class Positions final : public kernels::DecodeRecordSink {
   public:
    std::vector<std::uint32_t> all, with_rows;
    std::vector<std::byte> keys;

   private:
    void record(const kernels::DecodeRecord& record) override {
      all.push_back(record.position);
      if (!record.stats.empty()) with_rows.push_back(record.position);
      keys.insert(keys.end(), record.k.begin(), record.k.end());
    }
  };
  const auto run = [&](Positions& sink, std::size_t tokens_at_once) {
    kernels::CudaDecoder decoder(decoder_model(*model_), {0, kernels::KvType::f32, 80});
    kernels::RecordOptions record;
    record.first_row = 68;
    decoder.start_recording(record, sink);
    const std::vector<std::int32_t> ids = prompt_of(70).ids;
    for (std::size_t at = 0; at < ids.size(); at += tokens_at_once) {
      decoder.feed(std::span(ids).subspan(at, std::min(tokens_at_once, ids.size() - at)));
    }
    decoder.finish();
  };
  Positions block, pieces;
  run(block, 70);
  run(pieces, 35);
  std::vector<std::uint32_t> expected(70);
  std::iota(expected.begin(), expected.end(), 0U);
  EXPECT_EQ(block.all, expected);
  EXPECT_EQ(pieces.all, expected);
  EXPECT_EQ(block.with_rows, (std::vector<std::uint32_t>{68, 69}));
  EXPECT_TRUE(block.keys == pieces.keys) << "keys depend on how the prompt was cut";
}

TEST_F(RecordRingTest, queries_keys_and_values_alone_need_no_rows) {
  write_model({});
  class NoRows final : public kernels::DecodeRecordSink {
   public:
    unsigned n = 0;

   private:
    void record(const kernels::DecodeRecord& record) override {
      ++n;
      EXPECT_TRUE(record.stats.empty() && record.entry_count.empty() && record.demand.empty());
      EXPECT_FALSE(record.q.empty());
    }
  } sink;
  kernels::CudaDecoder decoder(decoder_model(*model_), {0, kernels::KvType::f16, 16});
  kernels::RecordOptions record;
  record.stats = record.entries = false;
  decoder.start_recording(record, sink);
  for (std::int32_t step = 0; step < 5; ++step) decoder.feed({&step, 1});
  decoder.finish();
  EXPECT_EQ(sink.n, 5U);
}

}  // namespace
}  // namespace kvwave::capture
