#!/usr/bin/env bash
# gpu-check [OPTIONS of gpu_check.py]: runs a packed gpu-check. The report goes to --results, here by default.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=$(mktemp "${TMPDIR:-/tmp}/gpu-check-model.XXXXXX")
trap 'rm -f "$model"' EXIT
cat "$here"/../model-1/part "$here"/../model-2/part >"$model"
[ "$(sha256sum <"$model")" = "$(cat "$here/model.sha256")" ] || {
  echo "gpu-check: the pieces of the model do not fit together" >&2
  exit 1
}
python3 "$here/gpu_check.py" --bin "$here/bin" --lib "$here/lib" --model "$model" --results "$here" "$@"
