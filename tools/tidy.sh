#!/usr/bin/env bash
# clang-tidy with the rules of .clang-tidy over the sources that differ from the last commit, or over all with --all.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/dev
[ -r $build/compile_commands.json ] || { echo "tidy: configure first: cmake --preset dev" >&2; exit 1; }
if [ "${1:-}" = --all ]; then
  mapfile -t files < <(git ls-files -co --exclude-standard 'src/*.cc')
else
  mapfile -t files < <({ git diff --name-only HEAD -- 'src/*.cc'; git ls-files -o --exclude-standard 'src/*.cc'; } | sort -u)
fi
[ ${#files[@]} -gt 0 ] || { echo "tidy: no changed sources; --all looks at every one"; exit 0; }
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 --quiet -p $build
