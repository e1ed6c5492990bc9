#!/bin/sh
# Compares the OpenCL calls that the library makes with those that tests/support/cl_faults.h lets
# fail: a call that is new must be added there.
#   cl_calls.sh NM STATIC_LIBRARY HEADER
set -eu

made=$("$1" "$2" | sed -n 's/^ *U \(cl[A-Z][A-Za-z0-9]*\)$/\1/p' | sort -u)
failed=$(sed -n 's/^    [A-Z]*(\(cl[A-Z][A-Za-z0-9]*\),.*/\1/p' "$3" | sort -u)
[ -n "$made" ] || { echo "the library makes no OpenCL call" >&2; exit 1; }
for call in $made; do
  case " $(echo "$failed" | tr '\n' ' ') " in
    *" $call "*) ;;
    *) echo "$3: $call is never made to fail" >&2; exit 1 ;;
  esac
done
