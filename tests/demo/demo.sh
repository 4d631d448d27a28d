#!/bin/sh
# The main job on real input: files of this repository, text and binary, go through a queue of a
# throwaway broker, each with its path as a tag, and are compared byte for byte when they come back.
# Every command is printed as a user would type it. `make demo` runs this; so does
#   sh tests/demo/demo.sh            with kubemqctl on the PATH.
set -eu
cd "$(dirname "$0")/../.."

if [ "${1-}" != inside ]; then
    echo '$ kubemqctl broker exec -- sh tests/demo/demo.sh inside'
    exec kubemqctl broker exec -- sh tests/demo/demo.sh inside
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/kubemqctl-demo.XXXXXX")
trap 'code=$?; rm -rf "$work"; [ "$code" -eq 0 ] || echo "demo: FAILED with exit code $code." >&2' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

show() {
    printf '$ %s\n' "$1"
    eval "$1"
}

step() {
    printf '\n# %s\n' "$1"
}

differ() {
    printf 'demo: %s is not what was sent\n' "$1" >&2
    exit 1
}

same() {
    cmp "$work/in/$1" "$work/out/$1" || differ "$1"
    printf 'same  %9d bytes  %s\n' "$(wc -c <"$work/out/$1")" "$1"
}

step 'A broker is running, and KUBEMQ_ADDRESS says where.'
show 'kubemqctl ping'

step 'All of the program, packed: a binary that is made of text.'
show "tar -czf '$work/kubemqctl.tar.gz' kubemqctl"

files='README.md LICENSE Makefile pyproject.toml proto/kubemq.proto kubemqctl/wire/kubemq_pb2.py'
if [ -f .git/index ]; then files="$files .git/index"; fi

step 'Into the queue: one message a file, its path as a tag.'
count=0
for path in $files; do
    show "kubemqctl queue send files --file $path --tag path=$path"
    count=$((count + 1))
    mkdir -p "$work/in/$(dirname "$path")" "$work/out/$(dirname "$path")"
    cp "$path" "$work/in/$path"
done
show "kubemqctl queue send files --file '$work/kubemqctl.tar.gz' --tag path=kubemqctl.tar.gz"
count=$((count + 1))
cp "$work/kubemqctl.tar.gz" "$work/in/kubemqctl.tar.gz"
show "kubemqctl queue info files --format '{waiting} are waiting'"

step 'Out again: look at the tag of the first message, then take its body.'
left=$count
while [ "$left" -gt 0 ]; do
    show "path=\$(kubemqctl queue peek files --format '{tags[path]}')"
    show "kubemqctl queue receive files > '$work/out/$path'"
    left=$((left - 1))
done

step 'Byte for byte the same?'
for path in $files kubemqctl.tar.gz; do
    same "$path"
done
bytes=$(cd "$work/out" && find . -type f -exec cat {} + | wc -c)

step 'And ten thousand messages from one pipe into another.'
show "seq 10000 | kubemqctl queue send numbers --lines > '$work/ids'"
show "kubemqctl queue receive numbers --all > '$work/numbers'"
seq 10000 | cmp - "$work/numbers" || differ numbers
[ "$(wc -l <"$work/ids")" -eq 10000 ] || differ 'the list of ids'

printf '\ndemo: OK, %d files (%d bytes) and 10000 lines came back byte for byte.\n' "$count" "$bytes"
