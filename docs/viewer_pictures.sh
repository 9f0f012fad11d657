#!/usr/bin/env bash
# viewer_pictures.sh [KVWAVE]: makes every picture of docs/viewer.md from the demo's files; `./run demo` comes first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly KVWAVE=${1:-build/release/kvwave}
readonly FILES=(demo/garden.h5 demo/results.h5 demo/profile.json)
readonly STRATEGIES=(--a reasonalloc/rkv@128 --b uniform/rkv@128)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# picture NAME PANEL SIZE OPTION...: one panel into docs/pictures/NAME.png
picture() {
  local name=$1 panel=$2 size=$3
  shift 3
  "$KVWAVE" view "${FILES[@]}" "${STRATEGIES[@]}" --export "$tmp" --panel "$panel" --size "$size" -f "$@" >/dev/null
  mv "$tmp/$panel.png" "docs/pictures/$name.png"
}

mkdir -p docs/pictures
picture overview overview 1440x900 --step 300 --layer 14 --q-head 3 --position 63 --value retained_mass \
  --compared difference
picture wave wave 900x520 --step 300
picture heads heads-all 900x520 --value retained_mass --compared difference --layer 14 --step 300
picture budgets heads-layers 620x520 --value budget --layer 14 --q-head 3 --step 300
picture tokens tokens 900x520 --step 300 --position 63
picture residency residency 900x520 --scope layer --layer 14 --position 63 --step 300
picture row attention-row 900x520 --layer 14 --q-head 3 --step 300 --position 63
picture compare compare 900x520
picture compare-minus-b compare 900x420 --minus-b
picture steps compare-steps 900x520 --step 300 --theme dark
