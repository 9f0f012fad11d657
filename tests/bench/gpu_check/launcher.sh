#!/usr/bin/env bash
# gpu-check [OPTIONS of gpu_check.py]: runs a packed gpu-check. The report goes to --results, here by default.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/gpu-check-files.XXXXXX")
trap 'rm -rf "$folder"' EXIT
model=$folder/model.gguf
cat "$here"/../model-1/part "$here"/../model-2/part >"$model"
[ "$(sha256sum <"$model")" = "$(cat "$here/model.sha256")" ] || {
  echo "gpu-check: the pieces of the model do not fit together" >&2
  exit 1
}
tar -C "$folder" -xzf "$here/payload.tar.gz"
python3 "$here/gpu_check.py" --bin "$folder/bin" --lib "$folder/lib" --model "$model" --results "$here" "$@"
