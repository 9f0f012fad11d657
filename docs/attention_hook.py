"""Records attention rows, post-RoPE q and k, v and tokens while a transformers model generates, for `kvwave import`.
usage: python attention_hook.py MODEL "PROMPT" N_TOKENS FOLDER      (tested with transformers 5.24; batch 1)"""
import json, pathlib, sys
import numpy, torch, transformers
from safetensors.torch import save_file
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

def record(model, ids, folder, tokenizer=None, **generation):
    rows, parts, scaling = {}, {}, {}
    def attention(module, query, key, value, *args, **kwargs):  # the model's own eager attention, with a look at it
        eager = sys.modules[type(module).__module__].eager_attention_forward
        output, weights = eager(module, query, key, value, *args, **kwargs)
        layer, new = module.layer_idx, query.shape[2]
        for name, tensor in dict(q=query, k=key[:, :, -new:], v=value[:, :, -new:]).items():
            parts.setdefault(f"layers.{layer}.{name}", []).append(tensor.detach().cpu())
        step, scaling[layer] = len(parts[f"layers.{layer}.q"]) - 1, float(module.scaling)
        rows[f"step_{step}_layer_{layer}"] = weights.detach().float().cpu().numpy()
        return output, weights
    ALL_ATTENTION_FUNCTIONS.register("kvwave", attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register("kvwave", eager_mask)
    model.set_attn_implementation("kvwave")
    out = model.generate(ids, return_dict_in_generate=True, output_logits=True, **generation)
    with torch.no_grad():  # generate() does not feed its last token: one more step gives it a row
        model(out.sequences[:, -1:], past_key_values=out.past_key_values)
    config, n_heads, n_prompt = model.config, model.config.num_attention_heads, ids.shape[1]
    rope = dict(getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {})
    facts = dict(name=pathlib.Path(config.name_or_path).name, architecture=config.model_type, scaling=scaling[0],
                 n_layers=config.num_hidden_layers, n_q_heads=n_heads, n_kv_heads=config.num_key_value_heads,
                 head_dim=getattr(config, "head_dim", None) or config.hidden_size // n_heads,
                 vocab_size=config.vocab_size, dtype=str(model.dtype).removeprefix("torch."),
                 rope_theta=rope.pop("rope_theta", None) or getattr(config, "rope_theta", None), rope_scaling=rope)
    tokens = dict(ids=(all_ids := out.sequences[0].tolist()), n_prompt=n_prompt,
                  logprobs=[float(l[0].float().log_softmax(-1)[i]) for l, i in zip(out.logits, all_ids[n_prompt:])],
                  pieces=tokenizer and [tokenizer.decode([i]) for i in all_ids])
    recording = dict(kvwave_recording=1, program=f"transformers {transformers.__version__}", model=facts,
                     tokens=tokens, device=str(model.device))
    (folder := pathlib.Path(folder)).mkdir(parents=True, exist_ok=True)
    numpy.savez(folder / "attentions.npz", **rows)
    save_file({name: torch.cat(list, 2).contiguous() for name, list in parts.items()}, folder / "qkv.safetensors")
    (folder / "recording.json").write_text(json.dumps(recording))

if __name__ == "__main__":
    name, prompt, n_tokens, folder = sys.argv[1:]
    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    model = transformers.AutoModelForCausalLM.from_pretrained(name, attn_implementation="eager", dtype="auto")
    record(model, tokenizer(prompt, return_tensors="pt").input_ids, folder, tokenizer,
           max_new_tokens=int(n_tokens), do_sample=False)
