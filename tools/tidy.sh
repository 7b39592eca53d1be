#!/usr/bin/env bash
# clang-tidy with the rules of .clang-tidy; any warning fails.
#
#   tools/tidy.sh          the sources that differ from the last commit or, where none does, those of the last commit
#   tools/tidy.sh --all    every source: some 40 minutes on two cores
#
# For a changed header its .cc and its test are looked at. Over MAX sources (40; the environment's TIDY_MAX) it looks at the
# first ones only and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/dev
[ -r $build/compile_commands.json ] || { echo "tidy: configure first: cmake --preset dev" >&2; exit 1; }

changed() { # sources and headers, one a line
  local files
  files=$({ git diff --name-only HEAD; git ls-files -o --exclude-standard; } | grep -E '^src/.*\.(cc|h)$' || true)
  [ -n "$files" ] || files=$(git diff --name-only HEAD~1 HEAD 2>/dev/null | grep -E '^src/.*\.(cc|h)$' || true)
  printf '%s\n' "$files"
}

sources_of() { # the .cc files that show what is wrong with the named files
  local file
  while read -r file; do
    case $file in
      *.cc) printf '%s\n' "$file" ;;
      *.h) printf '%s\n' "${file%.h}.cc" "${file%.h}_test.cc" ;;
    esac
  done | sort -u | while read -r file; do [ ! -f "$file" ] || printf '%s\n' "$file"; done
}

if [ "${1:-}" = --all ]; then
  mapfile -t files < <(git ls-files -co --exclude-standard 'src/*.cc')
else
  mapfile -t files < <(changed | sources_of)
  max=${TIDY_MAX:-40}
  if [ ${#files[@]} -gt "$max" ]; then
    echo "tidy: ${#files[@]} changed sources; the first $max are looked at, --all looks at every one"
    files=("${files[@]:0:$max}")
  fi
fi
[ ${#files[@]} -gt 0 ] || { echo "tidy: no changed sources; --all looks at every one"; exit 0; }

# Of tests, fuzz targets and benchmarks only mistakes are told: they may copy, grow and drop what they like.
lenient=-performance-*,-misc-const-correctness,-bugprone-unused-return-value,-bugprone-switch-missing-default-case
lenient+=,-bugprone-suspicious-missing-comma,-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result
lenient+=,-clang-analyzer-deadcode.DeadStores,-clang-analyzer-unix.StdCLibraryFunctions
export build lenient
tidy_one() {
  local checks=
  [[ $1 =~ _(test|fuzz|bench)\.cc$ ]] && checks=--checks=$lenient
  clang-tidy-19 --quiet --warnings-as-errors='*' $checks -p "$build" "$1" 2> >(grep -v 'warnings generated\.$' >&2)
}
export -f tidy_one
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'tidy_one "$1"' tidy
