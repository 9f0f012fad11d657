#!/usr/bin/env bash
# no_toolkit_libraries.sh PROGRAM: the program needs no library of NVIDIA's driver or toolkit, and starts without them.
set -euo pipefail
unset LD_LIBRARY_PATH
libraries=$(ldd "$1")
if grep -i -E 'not found|lib(cuda|cudart|cublas|cublasLt|nv[a-z]+)\.so' <<<"$libraries"; then
  echo "$1 is linked to the libraries above" >&2
  exit 1
fi
"$1" --version
"$1" info --devices
