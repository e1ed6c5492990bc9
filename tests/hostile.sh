#!/bin/sh
# The command in surroundings that lack something: each run ends soon, with the right answer or with
# a sentence and an exit code of its own, and never by a signal.
#   hostile.sh CLCONV_BINARY
set -u

clconv=$1
data=$(cd "$(dirname "$0")" && pwd)/cli/data
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
cd "$folder" || exit 1
failures=0

fail() {
  echo "$*" >&2
  [ ! -s err ] || sed 's/^/    /' err >&2
  failures=$((failures + 1))
}

# try NAME CODES TEXT SCRIPT: runs a script with $clconv, at most a minute. Its exit code is one of
# CODES, parted by blanks, and its output, standard error included, has the pattern TEXT.
try() {
  rm -f y.npy
  clconv=$clconv data=$data timeout 60 sh -c "$4" >out 2>err
  code=$?
  cat out err >both
  case " $2 " in
    *" $code "*) ;;
    *) fail "$1: exit code $code instead of $2"; return ;;
  esac
  [ -z "$3" ] || grep -q "$3" both || fail "$1: \"$3\" is not in its output"
  if [ -e y.npy ] && ! cmp -s y.npy "$data/y.npy"; then
    fail "$1: the result is wrong"
  fi
}

run='"$clconv" run --input "$data/x.npy" --weights "$data/w.npy" --output y.npy'
host="$run --device host"
verify='"$clconv" verify --device host ic1ih3_oc1kh2'

# Nothing in the environment.
try 'no environment' 0 'y.npy' "exec env -i PATH=$PATH $run"
try 'no home' 0 'y.npy' "unset HOME XDG_CACHE_HOME CLCONV_CACHE_DIR; exec $run"
try 'a home that is not there' 0 'y.npy' "unset CLCONV_CACHE_DIR; HOME=/nonexistent exec $run"

# Drivers: none, and files that name none.
mkdir none absent library folder
mkdir folder/a.icd
echo /nonexistent/driver.so >absent/a.icd
echo "$(command -v sh)" >library/a.icd
for icd in none absent library folder; do
  OCL_ICD_VENDORS=$folder/$icd
  export OCL_ICD_VENDORS
  try "icd $icd" 0 'y.npy' "exec $run"
  try "icd $icd, a GPU asked for" 3 'device "gpu"' "exec $run --device gpu"
  unset OCL_ICD_VENDORS
done

# A loader that may crash of it: whoever asks survives.
mkdir damaged
printf '\0\1\2' >damaged/a.icd
try 'damaged icd, devices' 0 '^host .* yes ' "OCL_ICD_VENDORS=$folder/damaged exec \"\$clconv\" devices"
try 'damaged icd, verify' 0 'passed: 1 passed' \
  "OCL_ICD_VENDORS=$folder/damaged exec \"\$clconv\" verify ic1ih3_oc1kh2"

# Where compiled kernels cannot be kept.
for cache in /dev/null/x /proc/clconv "$folder/out"; do
  CLCONV_CACHE_DIR=$cache
  export CLCONV_CACHE_DIR
  try "cache in $cache" 0 'y.npy' "exec $run"
  unset CLCONV_CACHE_DIR
done
try 'kernels in no folder' '0 1 3' 'y.npy\|kernel file' "CLCONV_KERNEL_DIR=/nonexistent exec $run"

# Where nothing can be written.
try 'a full disk' 2 'No space left' "exec ${host%y.npy*}/dev/full --device host"
try 'no such folder' 2 'cannot be written' "exec ${host%y.npy*}no/y.npy --device host"
# The limit is on the files of this test, too, so that the sentence is lost.
try 'files of no size' 2 '' "ulimit -f 0; exec $host"
try 'a full standard output' 2 'standard output' 'exec "$clconv" help >/dev/full'
try 'a closed standard output' 2 'standard output' 'exec "$clconv" help >&-'
try 'everything closed' '0 2' '' "exec $verify >&- 2>&- <&-"
try 'a reader that goes away' 0 '' "$verify | :"

# Limits.
for kilobytes in 30000 60000 120000 240000; do
  try "$kilobytes KiB of memory" '0 1 2' '.' "ulimit -v $kilobytes; exec $host"
  try "$kilobytes KiB of memory, verify" '0 1 2 3 4' '.' "ulimit -v $kilobytes; exec $verify"
done
# With the fewest the dynamic linker cannot open the libraries, which gives 127.
for files in 4 5 6 7 8 10 12; do
  try "$files files" '0 2 127' '.' "ulimit -n $files; exec $host"
  try "$files files, verify" '0 1 2 3 127' '.' "ulimit -n $files; exec $verify"
done

# A comma in numbers, and letters of other alphabets.
for locale in de_DE.UTF-8 tr_TR.UTF-8 C.UTF-8 nonsense; do
  try "locale $locale" 0 'alpha=1.5' \
    "LC_ALL=$locale exec \"\$clconv\" explain --device host ic1ih3_oc1kh2_alpha=1.5"
done

[ $failures = 0 ] || exit 1
