#!/bin/sh
# Runs one file of command-line tests: run.sh CLCONV_BINARY FILE.test
#
# A test file is a list of
#
#     $ COMMAND      is run by sh in an empty folder that the commands of one file share
#     > LINE         expected on its standard output
#     ! LINE         expected on its standard error
#     ? NUMBER       expected exit code, 0 where this is missing
#
# and of comments that begin with '#'. In expected lines '*' stands for any text, and a line '...'
# for any number of lines. What is not expected must not be there. A line '@ device' skips the file
# (exit code 77) on a machine without a usable OpenCL device.
#
# The commands find the binary as `clconv`, the files of tests/cli/data in $DATA, and in $NO_ICD a
# value for OCL_ICD_VENDORS that hides every OpenCL device.
set -u

if [ $# -ne 2 ] || [ ! -x "$1" ] || [ ! -f "$2" ]; then
    echo "usage: run.sh CLCONV_BINARY FILE.test" >&2
    exit 2
fi

absolute() {
    echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
}

binary=$(absolute "$1")
script=$(absolute "$2")
DATA=$(cd "$(dirname "$0")" && pwd)/data
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$folder/bin" "$folder/work" "$folder/no-icd"
ln -s "$binary" "$folder/bin/clconv"
NO_ICD=$folder/no-icd
PATH=$folder/bin:$PATH
LC_ALL=C
export DATA NO_ICD PATH LC_ALL
cd "$folder/work" || exit 1

commands=0
failures=0
command=
code=0

# Compares the lines of two files; the first may hold wildcards.
matches() {
    awk '
        function line_matches(pattern, line,    parts, count, i, at) {
            count = split(pattern, parts, "[*]")
            if (count < 2) return pattern == line
            if (substr(line, 1, length(parts[1])) != parts[1]) return 0
            line = substr(line, length(parts[1]) + 1)
            for (i = 2; i < count; i++) {
                at = index(line, parts[i])
                if (!at) return 0
                line = substr(line, at + length(parts[i]))
            }
            at = length(line) - length(parts[count])
            return at >= 0 && substr(line, at + 1) == parts[count]
        }
        part == 1 { expected[++expected_count] = $0; next }
        { actual[++actual_count] = $0 }
        END {
            # Where a line "..." was passed last, the match goes on from there after a difference.
            e = a = 1
            while (a <= actual_count) {
                if (e <= expected_count && expected[e] == "...") { mark = ++e; from = a }
                else if (e <= expected_count && line_matches(expected[e], actual[a])) { e++; a++ }
                else if (mark) { e = mark; a = ++from }
                else exit 1
            }
            while (expected[e] == "...") e++
            exit e <= expected_count
        }
    ' part=1 "$1" part=2 "$2"
}

show() {
    echo "  $1:"
    sed 's/^/    /' "$2"
}

# Runs the command that was collected, if any, and compares.
finish() {
    [ -n "$command" ] || return 0
    commands=$((commands + 1))
    sh -c "$command" >../stdout 2>../stderr </dev/null
    actual=$?
    if [ "$actual" -ne "$code" ] || ! matches ../expected.stdout ../stdout ||
        ! matches ../expected.stderr ../stderr; then
        failures=$((failures + 1))
        echo "FAILED: $command"
        echo "  exit code $actual, expected $code"
        show "standard output" ../stdout
        show "expected standard output" ../expected.stdout
        show "standard error" ../stderr
        show "expected standard error" ../expected.stderr
    fi
}

begin() {
    command=$1
    code=0
    : >../expected.stdout
    : >../expected.stderr
}

while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    '' | '#'*) ;;
    '$ '*)
        finish
        begin "${line#??}"
        ;;
    '>') echo >>../expected.stdout ;;
    '> '*) printf '%s\n' "${line#??}" >>../expected.stdout ;;
    '!') echo >>../expected.stderr ;;
    '! '*) printf '%s\n' "${line#??}" >>../expected.stderr ;;
    '? '*) code=${line#??} ;;
    '@ device')
        clconv devices >../devices || exit 1
        if ! grep -q '^[0-9][0-9]*:[0-9].*  yes  ' ../devices; then
            echo "skipped: there is no usable OpenCL device"
            exit 77
        fi
        ;;
    *)
        echo "$script: cannot understand: $line" >&2
        exit 2
        ;;
    esac
done <"$script"
finish

if [ "$commands" -eq 0 ]; then
    echo "$script: no command ran" >&2
    exit 2
fi
echo "$commands commands, $failures failures"
[ "$failures" -eq 0 ]
