#!/bin/sh
# The compiler, through ccache where it is there. Precompiled headers need the sloppiness.
if command -v ccache >/dev/null 2>&1; then
  CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime exec ccache "$@"
fi
exec "$@"
