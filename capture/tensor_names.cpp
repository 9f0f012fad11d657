#include "capture/tensor_names.h"

#include <fmt/format.h>

namespace kvwave::capture {

const TensorNames kGgufNames = {.embedding = "token_embd.weight",
                                .output = "output.weight",
                                .output_norm = "output_norm.weight",
                                .layer = "blk.{}.",
                                .q = "attn_q",
                                .k = "attn_k",
                                .v = "attn_v",
                                .attn_norm = "attn_norm.weight",
                                .o = "attn_output.weight",
                                .ffn_norm = "ffn_norm.weight",
                                .gate = "ffn_gate.weight",
                                .up = "ffn_up.weight",
                                .down = "ffn_down.weight",
                                .q_norm = "attn_q_norm.weight",
                                .k_norm = "attn_k_norm.weight",
                                .ignored_in_layer = "",
                                .ignored = "rope_freqs.weight"};

const TensorNames kHuggingFaceNames = {.embedding = "model.embed_tokens.weight",
                                       .output = "lm_head.weight",
                                       .output_norm = "model.norm.weight",
                                       .layer = "model.layers.{}.",
                                       .q = "self_attn.q_proj",
                                       .k = "self_attn.k_proj",
                                       .v = "self_attn.v_proj",
                                       .attn_norm = "input_layernorm.weight",
                                       .o = "self_attn.o_proj.weight",
                                       .ffn_norm = "post_attention_layernorm.weight",
                                       .gate = "mlp.gate_proj.weight",
                                       .up = "mlp.up_proj.weight",
                                       .down = "mlp.down_proj.weight",
                                       .q_norm = "self_attn.q_norm.weight",
                                       .k_norm = "self_attn.k_norm.weight",
                                       .ignored_in_layer = "self_attn.rotary_emb.inv_freq",
                                       .ignored = ""};

std::string TensorNames::in_layer(std::uint32_t number, std::string_view name) const {
  return fmt::format(fmt::runtime(layer), number) + std::string(name);
}

}  // namespace kvwave::capture
