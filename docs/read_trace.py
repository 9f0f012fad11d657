"""Shows a trace and draws its Reasoning Wave; needs h5py alone. usage: python3 docs/read_trace.py trace.h5"""
import sys, h5py
with h5py.File(sys.argv[1], "r", swmr=True) as trace:  # swmr: a trace that is still being written opens too
    about = {name: value.decode() if isinstance(value, bytes) else value for name, value in trace.attrs.items()}
    n_prompt, n_rows = int(about["n_prompt"]), trace["stats/layer_demand"].shape[0]
    print(f"{about['model_name']} ({about['architecture']}): {n_prompt} prompt tokens, {n_rows - n_prompt} generated")
    if "tokens" in trace:
        text, ends = trace["tokens/bytes"][:], trace["tokens/byte_end"][:]
        print("text:", text[ends[n_prompt - 1]:ends[-1]].tobytes().decode(errors="replace"))
    for name in ("attention/prob", "qkv/q", "qkv/k", "qkv/v"):
        if name in trace:
            print(f"{name}: {trace[name].shape} {trace[name].dtype}")
    rho = [round(value, 4) for value in trace["stats/demand"].attrs["rho"]]
    demand = trace["stats/layer_demand"][n_prompt:, :, rho.index(0.93)].mean(axis=0)  # tokens that hold 93 % of a row
    for layer, value in enumerate(demand):
        print(f"layer {layer:3} {value:8.1f} " + "#" * round(60 * value / demand.max()))
