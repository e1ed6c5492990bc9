#!/bin/sh
# symbols.sh NM HEADER SHARED STATIC
# The shared library exports exactly the functions of the public header; every global name of the
# static one begins with the project's prefix.
set -eu
nm=$1 header=$2 shared=$3 static=$4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n 's/^CLCONV_API [^(]*[ *]\(clconv_[a-z0-9_]*\)(.*/\1/p' "$header" | sort >"$work/declared"
[ -s "$work/declared" ] || { echo "no function found in $header" >&2; exit 1; }

"$nm" -D --defined-only "$shared" | awk '{print $NF}' | sort >"$work/exported"
if ! diff -u "$work/declared" "$work/exported"; then
  echo "$shared exports other names (+) than $header declares (-)" >&2
  exit 1
fi

if "$nm" --defined-only --extern-only "$static" | awk 'NF == 3 && $3 !~ /^clconv_/' | grep .; then
  echo "$static has global names without the prefix clconv_" >&2
  exit 1
fi
