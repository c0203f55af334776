#!/usr/bin/env bash
# The suite with the compiled engine under AddressSanitizer, and with Cython's checks of bounds and None in all modules:
# reading or writing memory that is not the engine's own ends the run with a report.
#
#     tests/asan.sh                           # engine, compiler and transforms
#     tests/asan.sh tests/nn -k saving        # what pytest is given
#
# Needs gcc with libasan, and the Python (PYTHON, or the one on the path) that has the packages of the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(command -v "${PYTHON:-python}")
[ "$#" -gt 0 ] || set -- tests/engine tests/compiler tests/transforms

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files --cached --others --exclude-standard -z | tar --create --null --files-from=- | tar --extract --directory="$copy"
cd "$copy"
sed -i 's/checks = name not in HOT/checks = True/; s/"-g0"/"-g1", "-fsanitize=address", "-fno-omit-frame-pointer"/' setup.py
[ "$(grep -c 'checks = True\|fsanitize' setup.py)" = 2 ] || { echo "setup.py is not written as asan.sh expects"; exit 1; }
LDFLAGS=-fsanitize=address "$python" setup.py -q build_ext --inplace > build.log 2>&1 || { cat build.log; exit 1; }
[ -n "$(find autograd_mini -name '*.so')" ] || { cat build.log; exit 1; }

# A test that measures memory is left out: the sanitizer keeps what is freed.
set -- --deselect tests/compiler/test_jit_processes.py::test_functions_that_are_gone_leave_no_memory_behind "$@"
# Python's own leaks are none of ours, and its allocator would hide from the sanitizer what is freed.
export ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc OPENBLAS_NUM_THREADS=1 MPLBACKEND=Agg
export PYTHONPATH="$copy" AUTOGRAD_MINI_ENGINE=compiled
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)"
"$python" -m pytest -q -p no:cacheprovider "$@"
