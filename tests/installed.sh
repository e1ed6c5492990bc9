#!/bin/sh
# installed.sh EXAMPLES BUILD CMAKE COMPILER CONFIGURATION
# Installs the build into a folder of it, builds the examples against that installation twice, by
# find_package and by pkg-config, and runs them.
set -eu
examples=$1 build=$2 cmake=$3 compiler=$4 configuration=$5

top=$build/installed
prefix=$top/prefix
rm -rf "$top"
mkdir -p "$top/by-pkg-config"

run_all() {
  (cd "$1" && for program in ten_lines own_opencl picture_filter; do
    echo "== $1/$program"
    "./$program"
  done)
}

echo "== install"
# Without DESTDIR, which a packager may have set.
env -u DESTDIR "$cmake" --install "$build" --config "$configuration" --prefix "$prefix"

if [ -x "$prefix/bin/clconv" ]; then
  "$prefix/bin/clconv" version
fi

echo "== find_package"
for library in clconv clconv_static; do
  "$cmake" -S "$examples" -B "$top/by-cmake-$library" -D CMAKE_C_COMPILER="$compiler" \
    -D CMAKE_PREFIX_PATH="$prefix" -D CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF \
    -D CLCONV_LIBRARY="clconv::$library"
  grep -q "^clconv_DIR:PATH=$prefix/" "$top/by-cmake-$library/CMakeCache.txt"
  "$cmake" --build "$top/by-cmake-$library"
  run_all "$top/by-cmake-$library"
done

echo "== pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name clconv.pc)"):${PKG_CONFIG_PATH-}
export PKG_CONFIG_PATH
for source in "$examples"/*.c; do
  # The flags are words.
  # shellcheck disable=SC2046
  "$compiler" -std=c11 -o "$top/by-pkg-config/$(basename "$source" .c)" "$source" \
    $(pkg-config --cflags clconv) $(pkg-config --libs clconv) -lm
done
LD_LIBRARY_PATH=$(pkg-config --variable=libdir clconv):${LD_LIBRARY_PATH-}
export LD_LIBRARY_PATH
run_all "$top/by-pkg-config"

# A network learns, on the host and on the best device; and there again, with the same losses and, to
# the last bit, the same parameters.
cd "$top/by-pkg-config"
for run in host device again; do
  echo "== digits, $run"
  if [ $run = host ]; then
    set -- curve.svg host
  else
    set -- curve.svg
  fi
  ./digits "$examples/data/digits.txt" 8 "$@" >printed || { cat printed; exit 1; }
  sed 's/, [0-9.]* s$//' printed >$run
  cat $run
done
cmp device again
