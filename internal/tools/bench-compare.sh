#!/usr/bin/env bash
# Measures the benchmarks of another commit and of this working tree in turns, and prints what changed. Called by `make bench-compare`.
#
#	REF        the commit to compare with
#	BENCH      which benchmarks: a regular expression; all by default
#	PKGS       in which folders, one with /... at its end with all below it; all that have benchmarks by default
#	COUNT      how many pairs; 6 by default, the fewest of which benchstat says how sure it is
#	BENCHTIME  how long each takes; 1s by default
#
# One pair after the other, and who goes first changes: a noisy neighbour, or a machine that becomes warm, then hits both alike.
set -euo pipefail

# Pinned, so that two people who compare the same commits see the same table.
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

ref=${REF:?which commit? make bench-compare REF=main}
bench=${BENCH:-.} count=${COUNT:-6} benchtime=${BENCHTIME:-1s}

new=$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)
cd "$new"
commit=$(git rev-parse --verify --quiet "$ref^{commit}") || { echo "bench-compare: no commit is called $ref" >&2; exit 2; }
tmp=$(mktemp -d)
old=$tmp/ref
child=

# The commit's tree is taken away however this ends. A child started with & ignores an interrupt of its own, so it is ended first.
leave() {
	trap - EXIT INT TERM HUP
	if [ -n "$child" ]; then
		kill "$child" 2>/dev/null || true
		wait "$child" 2>/dev/null || true
	fi
	git -C "$new" worktree remove --force "$old" 2>/dev/null || true
	rm -rf "$tmp"
	git -C "$new" worktree prune
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# in_child waits in a way that a signal ends at once.
in_child() {
	"$@" &
	child=$!
	local status=0
	wait "$child" || status=$?
	child=
	return "$status"
}

git worktree add --quiet --detach "$old" "$commit"

# The folders that have benchmarks, in either state.
folders() {
	local root pkg
	for root in "$old" "$new"; do
		for pkg in ${PKGS:-./...}; do
			pkg=${pkg#./}
			case $pkg in
			...) (cd "$root" && grep -rlE --include='*_test.go' '^func Benchmark' . || true) ;;
			*/...) (cd "$root" && grep -rlE --include='*_test.go' '^func Benchmark' "${pkg%/...}" 2>/dev/null || true) ;;
			*) (cd "$root" && grep -lE '^func Benchmark' "${pkg%/}"/*_test.go 2>/dev/null || true) ;;
			esac
		done
	done | sed -e 's,^\./,,' | while read -r file; do dirname "$file"; done | sort -u
}

# Test programs are built once, and started in their folders as go test does; what lies in a module of its own is built there. Both
# functions become what they run, for in_child to end.
build() { # state root folder
	if [ -d "$2/$3" ]; then
		cd "$2/$3"
		exec go test -c -o "$(program "$1" "$3")" .
	fi
}

run() { # state root folder
	if [ -x "$(program "$1" "$3")" ]; then
		cd "$2/$3"
		exec "$(program "$1" "$3")" -test.run='^$' -test.bench="$bench" -test.benchmem -test.benchtime="$benchtime" -test.timeout=0 >>"$tmp/$1.txt"
	fi
}

program() { echo "$tmp/$1-$(echo "$2" | tr / _).test"; } # state folder

todo=$(folders)
if [ -z "$todo" ]; then
	echo "bench-compare: no benchmarks in ${PKGS:-the repository}" >&2
	exit 2
fi
echo "building $(echo "$todo" | wc -l | tr -d ' ') folders of $ref ($(git rev-parse --short "$commit")) and of the working tree" >&2
for folder in $todo; do
	in_child build ref "$old" "$folder"
	in_child build now "$new" "$folder"
done
: >"$tmp/ref.txt"
: >"$tmp/now.txt"
for pair in $(seq "$count"); do
	echo "pair $pair of $count" >&2
	for folder in $todo; do
		if [ $((pair % 2)) = 1 ]; then
			in_child run ref "$old" "$folder"
			in_child run now "$new" "$folder"
		else
			in_child run now "$new" "$folder"
			in_child run ref "$old" "$folder"
		fi
	done
done
in_child go run "$benchstat" "$ref=$tmp/ref.txt" "now=$tmp/now.txt"
