# shellcheck shell=sh disable=SC2034
# Shared by scripts/verify and scripts/test; sourced, not run. Both set -eu.

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit
jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

say() {
  printf '== %s\n' "$*"
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

# What a build needs, as Debian's packages and in words for other systems.
build_packages='gcc libc6-dev make cmake opencl-headers ocl-icd-opencl-dev libclblast-dev
  libxxhash-dev libpng-dev libcjson-dev pocl-opencl-icd'
build_needs='a C11 compiler, make, CMake 3.22 or newer, the OpenCL headers and an ICD loader, the
headers of xxHash, libpng and cJSON with their headers; optional: CLBlast, and an OpenCL driver such as PoCL'
test_packages='g++ pkg-config libcmocka-dev'
test_needs='a C++ compiler, pkg-config, cmocka with its header'

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_missing NEEDS PACKAGE...: installs the packages that are missing, where that can be done.
# Otherwise it says what is needed and goes on, because it may have come from somewhere else; CMake
# names what it does not find.
install_missing() {
  needs=$1
  shift
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "This is not a Debian system. What is needed: $needs"
    return 0
  fi

  missing=
  for package; do
    is_installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0

  if [ "$(id -u)" = 0 ]; then
    as_root=
  elif command -v sudo >/dev/null; then
    as_root=sudo
  else
    say "Neither root nor sudo: these packages may be needed:$missing"
    return 0
  fi

  say "Installing:$missing"
  apt='apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120'
  # The variables are lists of words. Nothing that is installed already may be removed.
  # shellcheck disable=SC2086
  {
    $as_root $apt update
    $as_root env DEBIAN_FRONTEND=noninteractive $apt install --yes --no-remove \
      --no-install-recommends $missing
  }
}

# build DIRECTORY TARGETS CMAKE-OPTION...: configures and builds. TARGETS is a list of words.
build() {
  directory=$1
  targets=$2
  shift 2
  command -v cmake >/dev/null || die "cmake was not found; what is needed: $build_needs"
  say "Building in $directory/"
  cmake -S . -B "$directory" "$@"
  # shellcheck disable=SC2086
  cmake --build "$directory" --parallel "$jobs" --target $targets
}
