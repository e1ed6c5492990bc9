#!/bin/sh
# Looks whether what is built was hardened: hardened.sh READELF CONFIGURATION FILE...
set -eu
readelf=$1 configuration=$2
shift 2

failures=0
# has FILE WHAT PATTERN OPTION: what readelf prints of the file has the pattern.
has() {
  "$readelf" -W "$4" "$1" | grep -q "$3" && return
  echo "$1 has no $2" >&2
  failures=1
}

for file; do
  has "$file" 'code that runs at any address' 'DYN' -h
  has "$file" 'data that is read-only after relocation' 'GNU_RELRO' -l
  has "$file" 'immediate binding' 'NOW' -d
  has "$file" 'stack that is not executed' 'GNU_STACK.* RW ' -l
  has "$file" 'stack protector' '__stack_chk_fail' -s
  [ "$configuration" = Debug ] || has "$file" 'fortified functions' '_chk@' -s
done
exit $failures
