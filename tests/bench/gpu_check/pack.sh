#!/usr/bin/env bash
# pack.sh BUILD MODEL DIR: gathers what gpu-check needs on a machine without this project's packages into DIR: programs
# with their shared libraries in DIR/check, and the demo model in two pieces, so that each folder is under 64 MiB.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here BUILD=$1 MODEL=$2 DIR=$3
readonly PROGRAMS=(kvwave gpu_parity_tests gpu_replay_tests device_bench compare_traces make_long_trace make_random_model)
readonly LIMIT=$((64 << 20))

[ ! -e "$DIR" ] || { echo "gpu-check --pack: $DIR exists" >&2; exit 1; }
mkdir -p "$(dirname "$DIR")"
tmp=$(mktemp -d "$DIR.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp"/check "$tmp"/payload/{bin,lib} "$tmp"/model-1 "$tmp"/model-2

for name in "${PROGRAMS[@]}"; do
  program=$(find "$BUILD" -type f -name "$name" -perm -u+x -print -quit)
  if [ -z "$program" ]; then
    case $name in
      gpu_*) echo "gpu-check --pack: no $name in $BUILD: that build is without CUDA" >&2; continue ;;
      *) echo "gpu-check --pack: no $name in $BUILD" >&2; exit 1 ;;
    esac
  fi
  strip -o "$tmp/payload/bin/$name" "$program"
  # All but the C library itself, which belongs to the other machine's kernel and loader.
  ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    grep -v -E '/(libc|libm|libdl|librt|libpthread|libresolv|libutil|libnss[^/]*|ld-linux[^/]*)\.so' |
    while read -r library; do cp -L -u "$library" "$tmp/payload/lib/"; done
done
strip --strip-unneeded "$tmp"/payload/lib/*
tar -C "$tmp/payload" -czf "$tmp/check/payload.tar.gz" bin lib
rm -r "$tmp/payload"
cp "$here"/*.py "$tmp/check/"
cp "$here/launcher.sh" "$tmp/check/gpu-check"

half=$((($(stat -c %s "$MODEL") + 1) / 2))
head -c "$half" "$MODEL" >"$tmp/model-1/part"
tail -c +$((half + 1)) "$MODEL" >"$tmp/model-2/part"
sha256sum <"$MODEL" >"$tmp/check/model.sha256"

for folder in check model-1 model-2; do
  bytes=$(du -sb "$tmp/$folder" | cut -f1)
  echo "$folder: $((bytes >> 20)) MiB" >&2
  [ "$bytes" -lt "$LIMIT" ] || { echo "gpu-check --pack: $folder is over 64 MiB" >&2; exit 1; }
done
mv "$tmp" "$DIR"
trap - EXIT
echo "gpu-check --pack: carry $DIR/{check,model-1,model-2} and start check/gpu-check there" >&2
